import type { BenchDocument, BenchRow, TimedPeer } from "../document.js";

/** A row with the number it has in every plot and table of a report. */
export interface NumberedRow extends BenchRow {
  readonly n: number;
}

export const numbered = ({ rows }: BenchDocument): NumberedRow[] => rows.map((row, i) => ({ ...row, n: i + 1 }));

/** Its place in the table of rows. */
export const anchor = (row: NumberedRow): string => `row-${row.n}`;

/** Its shape, and how tokens are spread where that is not even. */
export const shapeOf = ({ shape, routing }: Pick<BenchRow, "shape" | "routing">): string =>
  routing && routing !== "balanced" ? `${shape} ${routing}` : shape;

/** What is measured, in the words that ask for it. */
export const labelOf = (row: Pick<BenchRow, "op" | "pass" | "shape" | "routing">): string =>
  `${row.op} ${row.pass} ${shapeOf(row)}`;

/** What a row is measured under. */
export const conditionOf = ({ device, dtype, threads }: Pick<BenchRow, "device" | "dtype" | "threads">): string =>
  `${device}, ${dtype}, ${threads} ${threads === 1 ? "thread" : "threads"}`;

/** In the order in which keys come first. */
export function groupBy<T>(items: Iterable<T>, key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const found = groups.get(key(item));
    if (found) found.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

export const timedPeers = (row: BenchRow): (readonly [name: string, peer: TimedPeer])[] =>
  Object.entries(row.peers).flatMap(([name, peer]) => (peer.medianUs === null ? [] : [[name, peer] as const]));

/** Its results were compared with ours: the same work. The others are there to see what a part costs. */
export const sameWork = (peer: TimedPeer): boolean => peer.difference !== null;

/**
 * Interval of a peer's ratio, from those of both medians: their widths, as logarithms, add in quadrature. Null where either
 * has none. Both were timed in turn, so that what disturbed both alike makes this wider than it had to be.
 */
export function ratioInterval(row: BenchRow, peer: TimedPeer): readonly [low: number, high: number] | null {
  if (!row.intervalUs || !peer.intervalUs) return null;
  const below = Math.hypot(Math.log(peer.medianUs / peer.intervalUs[0]), Math.log(row.intervalUs[1] / row.medianUs));
  const above = Math.hypot(Math.log(peer.intervalUs[1] / peer.medianUs), Math.log(row.medianUs / row.intervalUs[0]));
  return [peer.ratio * Math.exp(-below), peer.ratio * Math.exp(above)];
}

/** Its ends are so far apart that a number alone would mislead. */
export const isWide = ([low, high]: readonly [low: number, high: number]): boolean => high > 1.25 * low;
