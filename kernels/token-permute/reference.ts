import type { NumberArray } from "../contract.js";
import { listPlaces } from "../top-k-routing/lists.js";

interface Sizes {
  T: number;
  E: number;
  K: number;
  R: number;
  C: number;
}

/** Calls `each(row, choice)` for the rows kept. */
function rows(lists: NumberArray, { E, R }: Sizes, each: (row: number, choice: number) => void): void {
  const { order } = listPlaces(E, R);
  for (let r = 0; r < lists[E]; r++) each(r, lists[order + r]);
}

export function dispatch(b: { x: NumberArray; lists: NumberArray; y: NumberArray }, p: Sizes): void {
  b.y.fill(0);
  rows(b.lists, p, (r, choice) => {
    const t = Math.floor(choice / p.K);
    for (let c = 0; c < p.C; c++) b.y[r * p.C + c] = b.x[t * p.C + c];
  });
}

export function combine(
  b: { x: NumberArray; weights: NumberArray | null; lists: NumberArray; y: NumberArray },
  p: Sizes & { accumulate: number },
): void {
  const { position } = listPlaces(p.E, p.R);
  for (let t = 0; t < p.T; t++)
    for (let c = 0; c < p.C; c++) {
      let sum = p.accumulate ? b.y[t * p.C + c] : 0;
      for (let k = 0; k < p.K; k++) {
        const r = b.lists[position + t * p.K + k];
        if (r >= 0) sum += (b.weights ? b.weights[t * p.K + k] : 1) * b.x[r * p.C + c];
      }
      b.y[t * p.C + c] = sum;
    }
}

export function backwardCombine(
  b: {
    dy: NumberArray;
    x: NumberArray;
    weights: NumberArray;
    lists: NumberArray;
    dx: NumberArray;
    dweights: NumberArray;
  },
  p: Sizes,
): void {
  b.dx.fill(0);
  b.dweights.fill(0);
  rows(b.lists, p, (r, choice) => {
    const t = Math.floor(choice / p.K);
    let dot = 0;
    for (let c = 0; c < p.C; c++) {
      b.dx[r * p.C + c] = b.weights[choice] * b.dy[t * p.C + c];
      dot += b.dy[t * p.C + c] * b.x[r * p.C + c];
    }
    b.dweights[choice] = dot;
  });
}
