/** Fewer would claim that a row says nothing at all. */
const LEAST = 3;

/**
 * How many independent pieces would tell as much as this series of them does. Neighbours resemble each other: clocks drift,
 * other work comes and goes. From the autocorrelation of ranks, which outliers do not spoil, summed in pairs of lags until a
 * pair is not positive (Geyer's initial positive sequence); in a short series it comes out too small by some 1/n.
 */
export function effectiveCount(series: readonly number[]): number {
  const n = series.length;
  if (series.every((value) => value === series[0])) return n;
  const correlation = autocorrelation(centredRanks(series));
  let time = -1;
  for (let lag = 0; lag + 1 < n / 2; lag += 2) {
    const pair = lag === 0 ? 1 + correlation(1) + 1 / n : correlation(lag) + correlation(lag + 1) + 2 / n;
    if (pair <= 0) break;
    time += 2 * pair;
  }
  return Math.max(Math.min(LEAST, n), n / Math.max(1, time));
}

/** The place of each value in order, about 0; equal values share theirs. */
function centredRanks(series: readonly number[]): number[] {
  const sorted = [...series].sort((a, b) => a - b);
  return series.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value) - (series.length - 1)) / 2);
}

function autocorrelation(values: readonly number[]): (lag: number) => number {
  const product = (lag: number) => values.slice(lag).reduce((sum, v, i) => sum + v * values[i], 0);
  const variance = product(0);
  return (lag) => product(lag) / variance;
}
