import Benchmark from "benchmark";

export interface Summary {
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
}

/** Linear interpolation between the closest ranks. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  return { median: quantile(sorted, 0.5), p10: quantile(sorted, 0.1), p90: quantile(sorted, 0.9) };
}

/**
 * Whether the times `ours` come from a faster distribution than `theirs`: the Mann-Whitney test of the benchmark package,
 * at 5 %. Fewer than five pieces of one or three of the other are never enough to tell.
 */
export function compare(ours: readonly number[], theirs: readonly number[]): "faster" | "slower" | "even" {
  const verdict = holder(ours).compare(holder(theirs));
  return verdict > 0 ? "faster" : verdict < 0 ? "slower" : "even";
}

function holder(samples: readonly number[]): Benchmark {
  const benchmark = new Benchmark(() => {});
  benchmark.stats.sample = [...samples];
  return benchmark;
}
