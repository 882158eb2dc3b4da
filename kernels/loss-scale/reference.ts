import type { NumberArray } from "../contract.js";

const LARGEST = (2 - 2 ** -23) * 2 ** 127;
/** As f32 has it. */
const finite = (v: number) => Math.abs(v) <= LARGEST;

export function unscale(
  b: { scaled: NumberArray; scale: NumberArray; counts: NumberArray; clip: NumberArray },
  { maxNorm }: { maxNorm: number },
): void {
  const norm = b.scaled[0] / b.scale[0];
  b.clip[0] = norm;
  b.clip[1] = (norm + 1e-6 > maxNorm ? maxNorm / (norm + 1e-6) : 1) / b.scale[0];
  if (finite(b.scaled[0])) return;
  b.clip[1] = -1;
  b.counts[1] = 1;
}

export function next(
  { scale, counts }: { scale: NumberArray; counts: NumberArray },
  { growth, backoff, interval }: { growth: number; backoff: number; interval: number },
): void {
  const [good, found, skipped] = counts;
  counts[1] = 0;
  if (found) {
    scale[0] *= backoff;
    counts[0] = 0;
    counts[2] = skipped + 1;
    return;
  }
  counts[0] = good + 1;
  if (counts[0] < interval) return;
  counts[0] = 0;
  if (finite(scale[0] * growth)) scale[0] *= growth;
}
