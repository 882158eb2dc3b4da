import { effectiveCount } from "./effective-count.js";

/** How many medians stand for the distribution. */
const MEDIANS = 100;
/** Steps of the integral; its error is far below that of the samples. */
const STEPS = 2000;

/**
 * The bootstrap's medians of a series, in order and equally likely: what the median would have been, had other pieces been
 * drawn. Nothing is drawn: the median of k draws is the value at a place between the smallest (0) and the largest (1) that
 * has the distribution Beta((k + 1) / 2, (k + 1) / 2). k is the number of independent pieces (effectiveCount), not that of all:
 * of pieces that resemble their neighbours (a correlation of 0.5) a plain bootstrap's intervals of 95 % miss the truth every
 * fifth time, and on a machine that drifts (0.8) every second (test/bench/statistics.test.ts).
 */
export function bootstrapMedians(series: readonly number[]): number[] {
  const sorted = [...series].sort((a, b) => a - b);
  return places(effectiveCount(series)).map((place) => valueAt(sorted, place));
}

/** Where the median of k draws lies, at MEDIANS equally likely places. */
function places(k: number): number[] {
  const found: number[] = [];
  // t (1 - t) to the power of (k - 1) / 2, scaled by 4 to stay in range.
  const densities = Array.from({ length: STEPS }, (_, i) => (4 * middle(i) * (1 - middle(i))) ** ((k - 1) / 2));
  const total = densities.reduce((sum, d) => sum + d, 0);
  let sum = 0;
  for (let i = 0; i < STEPS && found.length < MEDIANS; i++) {
    sum += densities[i];
    while (found.length < MEDIANS && sum >= ((found.length + 0.5) / MEDIANS) * total) found.push(middle(i));
  }
  return found;
}

const middle = (i: number) => (i + 0.5) / STEPS;

/** Each value stands for an n-th of all; between the middles of two, in proportion. */
function valueAt(sorted: readonly number[], place: number): number {
  const at = Math.min(sorted.length - 1, Math.max(0, place * sorted.length - 0.5));
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}
