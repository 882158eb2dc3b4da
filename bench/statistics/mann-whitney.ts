import Benchmark from "benchmark";

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
