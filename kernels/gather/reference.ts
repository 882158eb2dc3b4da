import type { NumberArray } from "../contract.js";

type Params = { O: number; V: number; K: number; I: number; faultLabel: number };

/** Calls `each(from, at)` for the elements at of [O,K,I] and the place in [O,V,I] that the index names; -1 outside. */
function walk(
  { index, faults }: { index: NumberArray; faults: NumberArray },
  { O, V, K, I, faultLabel }: Params,
  each: (place: number, at: number) => void,
): void {
  for (let o = 0; o < O; o++)
    for (let k = 0; k < K; k++)
      for (let i = 0; i < I; i++) {
        const at = (o * K + k) * I + i;
        const v = index[at];
        const inside = v >= 0 && v < V;
        if (!inside && faults[0] === 0) faults.set([1, faultLabel, at, v]);
        each(inside ? (o * V + v) * I + i : -1, at);
      }
}

export function forward(
  b: { x: NumberArray; index: NumberArray; y: NumberArray; faults: NumberArray },
  params: Params,
): void {
  walk(b, params, (place, at) => {
    b.y[at] = place < 0 ? 0 : b.x[place];
  });
}

export function scatterAdd(
  b: { x: NumberArray; index: NumberArray; base: NumberArray | null; y: NumberArray; faults: NumberArray },
  params: Params & { hasBase: number },
): void {
  for (let i = 0; i < b.y.length; i++) b.y[i] = b.base ? b.base[i] : 0;
  walk(b, params, (place, at) => {
    if (place >= 0) b.y[place] += b.x[at];
  });
}
