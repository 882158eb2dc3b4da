import type { NumberArray } from "../contract.js";

type Digit = 0 | 1 | 2 | 3 | 4 | 5;
type StridedParams = { n: number; xOffset: number; yOffset: number } & Record<`${"d" | "x" | "y"}${Digit}`, number>;

export function strided({ x, y }: { x: NumberArray; y: NumberArray }, p: StridedParams): void {
  for (let i0 = 0; i0 < p.d0; i0++)
    for (let i1 = 0; i1 < p.d1; i1++)
      for (let i2 = 0; i2 < p.d2; i2++)
        for (let i3 = 0; i3 < p.d3; i3++)
          for (let i4 = 0; i4 < p.d4; i4++)
            for (let i5 = 0; i5 < p.d5; i5++) {
              const from = i0 * p.x0 + i1 * p.x1 + i2 * p.x2 + i3 * p.x3 + i4 * p.x4 + i5 * p.x5;
              const to = i0 * p.y0 + i1 * p.y1 + i2 * p.y2 + i3 * p.y3 + i4 * p.y4 + i5 * p.y5;
              y[p.yOffset + to] = x[p.xOffset + from];
            }
}

type TransposeParams = { I: number; J: number; xRow: number; yRow: number } & Record<
  `${"d" | "x" | "y"}${0 | 1 | 2 | 3}`,
  number
>;

export function transpose({ x, y }: { x: NumberArray; y: NumberArray }, p: TransposeParams): void {
  for (let i0 = 0; i0 < p.d0; i0++)
    for (let i1 = 0; i1 < p.d1; i1++)
      for (let i2 = 0; i2 < p.d2; i2++)
        for (let i3 = 0; i3 < p.d3; i3++) {
          const from = i0 * p.x0 + i1 * p.x1 + i2 * p.x2 + i3 * p.x3;
          const to = i0 * p.y0 + i1 * p.y1 + i2 * p.y2 + i3 * p.y3;
          for (let j = 0; j < p.J; j++) for (let i = 0; i < p.I; i++) y[to + j * p.yRow + i] = x[from + i * p.xRow + j];
        }
}

export function pad(
  { x, y }: { x: NumberArray; y: NumberArray },
  p: { O: number; L: number; I: number; before: number; after: number },
): void {
  const length = p.before + p.L + p.after;
  for (let o = 0; o < p.O; o++)
    for (let l = 0; l < length; l++)
      for (let i = 0; i < p.I; i++) {
        const inside = l >= p.before && l < p.before + p.L;
        y[(o * length + l) * p.I + i] = inside ? x[(o * p.L + l - p.before) * p.I + i] : 0;
      }
}

type IndexedParams = { O: number; V: number; K: number; I: number; faultLabel: number };

function fault(faults: NumberArray, label: number, position: number, value: number): void {
  if (faults[0] === 0) faults.set([1, label, position, value]);
}

export function indexSelect(
  { x, index, y, faults }: { x: NumberArray; index: NumberArray; y: NumberArray; faults: NumberArray },
  { O, V, K, I, faultLabel }: IndexedParams,
): void {
  for (let o = 0; o < O; o++)
    for (let k = 0; k < K; k++) {
      const v = index[k];
      const inside = v >= 0 && v < V;
      if (!inside) fault(faults, faultLabel, k, v);
      for (let i = 0; i < I; i++) y[(o * K + k) * I + i] = inside ? x[(o * V + v) * I + i] : 0;
    }
}

export function indexAdd(
  b: { x: NumberArray; index: NumberArray; base: NumberArray | null; y: NumberArray; faults: NumberArray },
  { O, V, K, I, hasBase, faultLabel }: IndexedParams & { hasBase: number },
): void {
  for (let i = 0; i < O * V * I; i++) b.y[i] = hasBase && b.base ? b.base[i] : 0;
  for (let o = 0; o < O; o++)
    for (let k = 0; k < K; k++) {
      const v = b.index[k];
      if (v < 0 || v >= V) fault(b.faults, faultLabel, k, v);
      else for (let i = 0; i < I; i++) b.y[(o * V + v) * I + i] += b.x[(o * K + k) * I + i];
    }
}
