import type { BenchRow, Ceiling, Roofline } from "../document.js";

/** What of a row says how long it must take. */
export type RowWork = Pick<BenchRow, "flops" | "bytes" | "medianUs" | "call">;

/**
 * What bounds the row on that machine: the longest of its operations at the rate of multiply-adds, its bytes at the speed of a
 * copy, and its launches one after the other. Null where nobody counted operations and bytes, or without a ceiling. A share of
 * bandwidth above 1 is a row whose values stay in caches, which are faster than the memory that `bytes` are counted for; one of
 * compute or launches is of a ceiling that was measured beside other work.
 */
export function rooflineOf(row: RowWork, ceiling: Ceiling | null | undefined): Roofline | null {
  if (!ceiling || (row.flops === null && row.bytes === null)) return null;
  const bounds: [Roofline["limit"], number][] = [
    ["compute", (row.flops ?? 0) / ceiling.flopsPerSecond],
    ["bandwidth", (row.bytes ?? 0) / ceiling.copyBytesPerSecond],
    ["launches", (row.call?.launches ?? 0) * ceiling.launchSeconds],
  ];
  const [limit, seconds] = bounds.reduce((longest, bound) => (bound[1] > longest[1] ? bound : longest));
  if (seconds === 0) return null;
  return { limit, limitUs: 1e6 * seconds, share: (1e6 * seconds) / row.medianUs };
}

/** Useful operations a second; null where there are none, as in a copy, or nobody counted them. */
export const flopsPerSecond = ({ flops, medianUs }: Pick<BenchRow, "flops" | "medianUs">): number | null =>
  flops ? (1e6 * flops) / medianUs : null;

/** Bytes that must move, a second; null where nobody counted them. */
export const bytesPerSecond = ({ bytes, medianUs }: Pick<BenchRow, "bytes" | "medianUs">): number | null =>
  bytes ? (1e6 * bytes) / medianUs : null;
