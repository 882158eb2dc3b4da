import type { NumberArray } from "../contract.js";

type Sizes = { T: number; V: number; C: number };

export function forward(
  b: { weight: NumberArray; ids: NumberArray; y: NumberArray; faults: NumberArray },
  { T, V, C, faultLabel }: Sizes & { faultLabel: number },
): void {
  for (let t = 0; t < T; t++) {
    const id = b.ids[t];
    const inside = id >= 0 && id < V;
    if (!inside && b.faults[0] === 0) b.faults.set([1, faultLabel, t, id]);
    for (let c = 0; c < C; c++) b.y[t * C + c] = inside ? b.weight[id * C + c] : 0;
  }
}

export function backwardWeight(
  b: { dy: NumberArray; ids: NumberArray; dweight: NumberArray },
  { T, V, C, paddingIndex, accumulate }: Sizes & { paddingIndex: number; accumulate: number },
): void {
  if (!accumulate) b.dweight.fill(0, 0, V * C);
  for (let t = 0; t < T; t++) {
    const id = b.ids[t];
    if (id < 0 || id >= V || id === (paddingIndex | 0)) continue;
    for (let c = 0; c < C; c++) b.dweight[id * C + c] += b.dy[t * C + c];
  }
}
