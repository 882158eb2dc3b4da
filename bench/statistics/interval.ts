import { bootstrapMedians } from "./bootstrap.js";
import { quantile, summarize } from "./summary.js";

/**
 * What no row can see of itself: another run has its buffers elsewhere and the clock elsewhere. Of one product, prepared anew
 * 24 times over six runs, the processor's time was 316 to 334 us, as far apart in one run as between them.
 * Of 20 quiet runs in a row (tools/repeat.ts, four rows) neighbours agreed in 94.7 % of pairs at 1.5 %, in 96.1 % at 2 %.
 */
export const BETWEEN_RUNS = 0.02;

/**
 * 95 % interval of the median that holds for another run of the same work, too: the bootstrap's, with as many draws as there are
 * independent pieces, and at least 2 % to either side, by which runs differ (BETWEEN_RUNS). The same for the same samples.
 */
export function medianInterval(series: readonly number[]): [low: number, high: number] {
  const { median } = summarize(series);
  const medians = bootstrapMedians(series);
  return [
    Math.min(quantile(medians, 0.025), median * (1 - BETWEEN_RUNS)),
    Math.max(quantile(medians, 0.975), median * (1 + BETWEEN_RUNS)),
  ];
}
