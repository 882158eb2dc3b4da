/** How many rows fit into memory at a time, found by trying. */
import { OptionError, OutOfMemoryError } from "../../engine/index.js";

/** What so many rows needed. */
export interface MemoryPeak {
  /** Rows computed at a time. */
  readonly batch: number;
  /** In use at a time at most; null where the device had no more. */
  readonly bytes: number | null;
}

/** A choice, and what it rests on. */
export interface MemoryPlan {
  /** Rows computed at a time. */
  readonly batch: number;
  /** Batches of a step. */
  readonly accumulate: number;
  /** What was measured, in order. */
  readonly peaks: readonly MemoryPeak[];
}

const size = (bytes: number | null) => {
  if (bytes === null) return "more than the device has";
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
};

/**
 * The largest batch that divides `rows`, the rows of a step, and that needs at most `limit` bytes: as many batches make
 * the same step. `peakOf` measures so many rows at a time. One and two rows tell what a row adds; the choice is measured,
 * too, and a smaller one taken where it needs more than that said. Throws where even one row does not fit.
 */
export async function planMemory(
  rows: number,
  limit: number,
  peakOf: (batch: number) => Promise<number>,
): Promise<MemoryPlan> {
  const peaks: MemoryPeak[] = [];
  const measured = async (batch: number) => {
    const known = peaks.find((peak) => peak.batch === batch);
    if (known) return known.bytes;
    const bytes = await peakOf(batch).catch((error) => {
      if (error instanceof OutOfMemoryError) return null;
      throw error;
    });
    peaks.push({ batch, bytes });
    return bytes;
  };
  const fits = (bytes: number | null) => bytes !== null && bytes <= limit;
  const one = await measured(1);
  if (!fits(one))
    throw new OptionError(
      `\`maxMemory\` is ${size(limit)}, and one row at a time needs ${size(one)}. Give more, or need less: a smaller model or image, frozen parts or adapters, layers computed twice.`,
    );
  const two = rows > 1 ? await measured(2) : null;
  const perRow = fits(two) ? Math.max(1, (two as number) - (one as number)) : Number.POSITIVE_INFINITY;
  const most = Math.min(rows, 1 + Math.floor((limit - (one as number)) / perRow));
  const divisors = Array.from({ length: most }, (_, i) => most - i).filter((batch) => rows % batch === 0);
  for (const batch of divisors) if (fits(await measured(batch))) return { batch, accumulate: rows / batch, peaks };
  return { batch: 1, accumulate: rows, peaks };
}
