import type { NumberArray } from "../contract.js";

export function value({ y }: { y: NumberArray }, { n, value }: { n: number; value: number }): void {
  y.fill(value, 0, n);
}

export function range({ y }: { y: NumberArray }, { n, start, step }: { n: number; start: number; step: number }): void {
  for (let i = 0; i < n; i++) y[i] = start + i * step;
}

export function rangeInt(
  { y }: { y: NumberArray },
  { n, start, step }: { n: number; start: number; step: number },
): void {
  for (let i = 0; i < n; i++) y[i] = (start + Math.imul(i, step)) | 0;
}
