import type { NumberArray } from "../contract.js";

type Buffers = { x: NumberArray; y: NumberArray };

/** The device rounds outputs to their storage type. */
export function toFloat({ x, y }: Buffers, { n }: { n: number }): void {
  for (let i = 0; i < n; i++) y[i] = x[i];
}

export function toInt({ x, y }: Buffers, { n, isUnsigned }: { n: number; isUnsigned: number }): void {
  const [low, high] = isUnsigned ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
  for (let i = 0; i < n; i++) y[i] = Number.isNaN(x[i]) ? 0 : Math.trunc(Math.min(high, Math.max(low, x[i])));
}

export function fromInt({ x, y }: Buffers, { n, isUnsigned }: { n: number; isUnsigned: number }): void {
  for (let i = 0; i < n; i++) y[i] = isUnsigned ? x[i] >>> 0 : x[i] | 0;
}
