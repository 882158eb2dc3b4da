import type { NumberArray } from "../contract.js";

type Sizes = { T: number; V: number; K: number };

/** Descending, NaN first: it should not go unseen. Array.sort is stable, so ties stay in the order of their index. */
const descending = (a: number, b: number) => (Number.isNaN(b) ? 1 : 0) - (Number.isNaN(a) ? 1 : 0) || b - a || 0;

export function forward(b: { x: NumberArray; values: NumberArray; indices: NumberArray }, { T, V, K }: Sizes): void {
  for (let t = 0; t < T; t++) {
    const row = b.x.subarray(t * V, (t + 1) * V);
    const order = Array.from(row, (_, v) => v).sort((i, j) => descending(row[i], row[j]));
    for (let k = 0; k < K; k++) {
      b.values[t * K + k] = row[order[k]];
      b.indices[t * K + k] = order[k];
    }
  }
}

export function backward(b: { dy: NumberArray; indices: NumberArray; dx: NumberArray }, { T, V, K }: Sizes): void {
  b.dx.fill(0, 0, T * V);
  for (let t = 0; t < T; t++) for (let k = 0; k < K; k++) b.dx[t * V + b.indices[t * K + k]] = b.dy[t * K + k];
}
