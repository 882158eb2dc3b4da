import { describe, expect, it } from "vitest";
import { bootstrapMedians } from "../../bench/statistics/bootstrap.js";
import { effectiveCount } from "../../bench/statistics/effective-count.js";
import { BETWEEN_RUNS, medianInterval } from "../../bench/statistics/interval.js";
import { quantile, summarize } from "../../bench/statistics/summary.js";
import { HostRandom } from "../../engine/index.js";
import { type Noise, simulated, take } from "./series.js";

const RUNS = 300;
type Interval = readonly [number, number];
const holds = ([low, high]: Interval, truth: number) => low <= truth && truth <= high;
const overlap = (a: Interval, b: Interval) => a[0] <= b[1] && b[0] <= a[1];
const share = (of: readonly boolean[]) => of.filter(Boolean).length / of.length;

/** Wide enough that what runs differ by (BETWEEN_RUNS) does not decide. */
const independent: Noise = { spread: 0.1 };
const correlated: Noise = { spread: 0.1, correlation: 0.5 };
const drifting: Noise = { spread: 0.1, correlation: 0.8 };

const runs = (noise: Noise, pieces: number, first = 0) =>
  Array.from({ length: RUNS }, (_, i) => take(pieces, simulated(1, noise, first + i)));

/** The textbook's: as many draws as there are pieces. */
function plainInterval(series: readonly number[], seed: number): Interval {
  const random = new HostRandom(seed, 2);
  const medians = take(200, () => summarize(series.map(() => series[random.below(series.length)])).median);
  medians.sort((a, b) => a - b);
  return [quantile(medians, 0.025), quantile(medians, 0.975)];
}

describe("effectiveCount", () => {
  const mean = (noise: Noise) => runs(noise, 100).reduce((sum, series) => sum + effectiveCount(series), 0) / RUNS;

  it("is near the number of pieces that are independent, and less of those that are not", () => {
    expect(mean(independent)).toBeGreaterThan(70);
    // (1 - r) / (1 + r) of them: 33 and 11.
    expect(mean(correlated)).toBeGreaterThan(20);
    expect(mean(correlated)).toBeLessThan(45);
    expect(mean(drifting)).toBeGreaterThan(5);
    expect(mean(drifting)).toBeLessThan(18);
  });

  it("takes outliers and equal pieces as they are", () => {
    expect(effectiveCount([1, 1, 1, 1, 1, 1, 1, 1])).toBe(8);
    expect(effectiveCount([1])).toBe(1);
    // Of a clock that tells few values.
    const coarse = runs(independent, 100).map((series) => effectiveCount(series.map((s) => Number(s.toFixed(1)))));
    expect(coarse.reduce((sum, k) => sum + k, 0) / RUNS).toBeGreaterThan(70);
    // A steady drift: as little as a few pieces would tell.
    expect(effectiveCount(Array.from({ length: 50 }, (_, i) => i))).toBeLessThan(5);
  });
});

describe("bootstrapMedians", () => {
  it("has the distribution that drawing gives", () => {
    // Neighbours alternate, so that all pieces count: then k is the number of pieces.
    const series = take(21, simulated(1, independent, 5)).sort((a, b) => a - b);
    const alternating = series.map((_, i) => series[i % 2 ? 20 - (i >> 1) : i >> 1]);
    const k = effectiveCount(alternating);
    const random = new HostRandom(9, 2);
    const draw = () => summarize(take(Math.round(k), () => series[random.below(21)])).median;
    const drawn = take(4000, draw).sort((a, b) => a - b);
    const found = bootstrapMedians(alternating);
    const range = series[20] - series[0];
    for (const q of [0.025, 0.16, 0.5, 0.84, 0.975])
      expect(Math.abs(quantile(found, q) - quantile(drawn, q)), `quantile ${q}`).toBeLessThan(0.04 * range);
  });

  it("stays within the series", () => {
    const found = bootstrapMedians([3, 1, 2, 5, 4]);
    expect(found.length).toBe(100);
    expect(found[0]).toBeGreaterThanOrEqual(1);
    expect(found[99]).toBeLessThanOrEqual(5);
    expect(bootstrapMedians([7])).toEqual(Array(100).fill(7));
  });
});

describe("medianInterval", () => {
  it.each([
    ["independent pieces, as few as a short budget gives", independent, 10, 0.93],
    ["independent pieces", independent, 50, 0.93],
    ["pieces that resemble their neighbours", correlated, 50, 0.88],
    ["a machine that drifts", drifting, 100, 0.88],
    ["spikes", { ...correlated, spikes: true }, 50, 0.88],
  ] as const)("holds the true median: %s", (_, noise, pieces, least) => {
    const truth = summarize(runs(noise, 200, 10_000).flat()).median;
    expect(share(runs(noise, pieces).map((series) => holds(medianInterval(series), truth)))).toBeGreaterThan(least);
  });

  it.each([
    ["independent", independent, 10],
    ["correlated", correlated, 20],
    ["drifting", drifting, 50],
    ["of which each has its own memory and clock", { spread: 0.01, correlation: 0.5, run: 0.01 }, 30],
  ] as const)("of two runs overlap in 95 % of rows: %s", (_, noise, pieces) => {
    const [first, second] = [0, RUNS].map((seed) => runs(noise, pieces, seed).map(medianInterval));
    expect(share(first.map((interval, i) => overlap(interval, second[i])))).toBeGreaterThanOrEqual(0.95);
  });

  it("is needed: a plain bootstrap of correlated pieces misses the truth every fifth time, of drifting ones every second", () => {
    const missed = (noise: Noise) =>
      1 -
      share(
        runs(noise, 50)
          .slice(0, 100)
          .map((series, i) => holds(plainInterval(series, i), 1)),
      );
    expect(missed(correlated)).toBeGreaterThan(0.12);
    expect(missed(drifting)).toBeGreaterThan(0.3);
  });

  it("is no wider than 5 % to a side where pieces differ by a few percent", () => {
    for (const series of runs({ spread: 0.02, correlation: 0.3 }, 10)) {
      const [low, high] = medianInterval(series);
      expect((high - low) / 2 / summarize(series).median).toBeLessThan(0.05);
    }
  });

  it("is never narrower than what runs differ by, and the same for the same samples", () => {
    expect(medianInterval([2, 2, 2, 2, 2])).toEqual([2 * (1 - BETWEEN_RUNS), 2 * (1 + BETWEEN_RUNS)]);
    const series = take(30, simulated(1, correlated, 3));
    expect(medianInterval(series)).toEqual(medianInterval(series));
  });
});
