import { bootstrapMedians } from "../statistics/bootstrap.js";
import { quantile, summarize } from "../statistics/summary.js";

/** Old by new: above 1 the new one is faster. */
export interface Ratio {
  readonly ratio: number;
  /** 95 % interval. */
  readonly interval: readonly [low: number, high: number];
}

/** Ratio of two medians, with every bootstrapped median of the one over every of the other. */
export function ratioOf(before: readonly number[], after: readonly number[]): Ratio {
  const divisors = bootstrapMedians(after);
  const ratios = Float64Array.from(bootstrapMedians(before).flatMap((old) => divisors.map((now) => old / now))).sort();
  const ratio = summarize(before).median / summarize(after).median;
  return { ratio, interval: [quantile(ratios, 0.025), quantile(ratios, 0.975)] };
}

/** What a 95 % interval reaches on each side, in standard deviations. */
const DEVIATIONS = 1.96;

/**
 * The interval widened so that all of `rows` intervals hold together with 95 %: Bonferroni's correction, on a logarithmic
 * scale, with the bound sqrt(2 ln(2 / p)) for the normal distribution's quantiles, which is above them by two fifths for one row, by a
 * fifth for twenty.
 */
export function widened({ ratio, interval: [low, high] }: Ratio, rows: number): [low: number, high: number] {
  const factor = Math.sqrt(2 * Math.log((2 * Math.max(1, rows)) / 0.05)) / DEVIATIONS;
  return [ratio * (low / ratio) ** factor, ratio * (high / ratio) ** factor];
}
