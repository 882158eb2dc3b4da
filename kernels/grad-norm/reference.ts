import type { NumberArray } from "../contract.js";

const BLOCK = 16384;

export function partial(
  b: { x: NumberArray; partials: NumberArray },
  { n, offset }: { n: number; offset: number },
): void {
  for (let start = 0; start < n; start += BLOCK) {
    let sum = 0;
    for (let i = start; i < Math.min(n, start + BLOCK); i++) sum += b.x[i] * b.x[i];
    b.partials[offset + start / BLOCK] = sum;
  }
}

export function join(
  b: { partials: NumberArray; clip: NumberArray },
  { count, maxNorm }: { count: number; maxNorm: number },
): void {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += b.partials[i];
  const norm = Math.sqrt(sum);
  b.clip[0] = norm;
  b.clip[1] = Math.min(1, maxNorm / (norm + 1e-6));
}
