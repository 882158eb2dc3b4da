/** Is model B better than model A on the same questions, or is the difference what chance would give? */
import { OptionError } from "../../engine/index.js";
import { randomStream } from "../data/random.js";
import type { Interval } from "./intervals.js";

/** Model B against model A on the same questions. */
export interface Comparison {
  /** Questions that only one of the two got right. */
  readonly onlyA: number;
  /** As `onlyA`, for B. */
  readonly onlyB: number;
  /** Accuracy of B minus accuracy of A. */
  readonly difference: number;
  /** McNemar's exact test, two-sided: chance of a split at least this uneven if both were equally good. */
  readonly pValue: number;
  /** 95 % percentile bootstrap interval of the difference, questions drawn with replacement. */
  readonly interval: Interval;
}

/** `a[i]` and `b[i]` say whether each model got question i right (`marks`). Same seed, same interval. */
export function comparePaired(
  a: readonly boolean[],
  b: readonly boolean[],
  { seed = 0, samples = 10_000 }: { seed?: number; samples?: number } = {},
): Comparison {
  if (a.length !== b.length || a.length === 0) {
    throw new OptionError(`comparePaired: ${a.length} and ${b.length} marks; needs the same questions, at least one.`);
  }
  const gains = a.map((right, i) => Number(b[i]) - Number(right));
  const onlyA = gains.filter((gain) => gain < 0).length;
  const onlyB = gains.filter((gain) => gain > 0).length;
  return {
    onlyA,
    onlyB,
    difference: (onlyB - onlyA) / gains.length,
    pValue: mcnemar(onlyA, onlyB),
    interval: bootstrap(Int8Array.from(gains), samples, seed),
  };
}

/** min(1, 2 · P(X <= min(onlyA, onlyB))), X binomial(onlyA + onlyB, 1/2). */
export function mcnemar(onlyA: number, onlyB: number): number {
  const n = onlyA + onlyB;
  // Terms by their logarithm: 2^-n is zero in float64 from n = 1075 on.
  let logTerm = -n * Math.LN2;
  let tail = Math.exp(logTerm);
  for (let k = 1; k <= Math.min(onlyA, onlyB); k++) {
    logTerm += Math.log((n - k + 1) / k);
    tail += Math.exp(logTerm);
  }
  return Math.min(1, 2 * tail);
}

function bootstrap(gains: Int8Array, samples: number, seed: number): Interval {
  const random = randomStream(seed, "bootstrap");
  const n = gains.length;
  const means = new Float64Array(samples);
  for (let s = 0; s < samples; s++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += gains[random.below(n)];
    means[s] = sum / n;
  }
  means.sort();
  return { low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

/** Linear between the two nearest of the sorted values. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}
