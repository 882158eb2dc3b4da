/** Which rows come when. Pure functions of (seed, epoch, position): a run that stopped goes on with the same batches. */
import { type HostRandom, OptionError } from "../../engine/index.js";
import { randomStream } from "./random.js";

/** A permutation of 0..n-1 (Fisher-Yates). */
export function order(seed: number, epoch: number, n: number): Uint32Array {
  return shuffle(n, randomStream(seed, "shuffle", epoch));
}

export function shuffle(n: number, random: HostRandom): Uint32Array {
  const rows = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [rows[i], rows[j]] = [rows[j], rows[i]];
  }
  return rows;
}

/** How far a run is: epochs finished, and rows of this epoch already given. Goes into a checkpoint. */
export interface Cursor {
  readonly epoch: number;
  readonly position: number;
}

export interface Batching {
  readonly seed: number;
  /** Rows of the data set. */
  readonly n: number;
  readonly batchSize: number;
  /** Leave out a last batch that is not full. MISS keeps it. */
  readonly dropLast?: boolean;
  /** The rows of an epoch in another order than by chance: by length, say. */
  rowsOf?(epoch: number): Uint32Array;
}

/** The batches from `from` to the end of its epoch, at least one; `next` is where to go on after the batch. */
export function* batches(
  { seed, n, batchSize, dropLast = false, rowsOf = (epoch) => order(seed, epoch, n) }: Batching,
  from: Cursor = { epoch: 0, position: 0 },
): Generator<{ rows: Uint32Array; next: Cursor }> {
  if (!(Number.isInteger(batchSize) && batchSize > 0)) {
    throw new OptionError(`batches: batchSize ${batchSize} is not a positive integer.`);
  }
  const end = dropLast ? n - (n % batchSize) : n;
  if (end === 0) throw new OptionError(`batches: ${n} rows give no batch of ${batchSize}.`);
  if (!(from.position >= 0 && from.position < end)) {
    throw new OptionError(`batches: position ${from.position} of ${end} rows. The cursor is of another data set.`);
  }
  const rows = rowsOf(from.epoch);
  for (let position = from.position; position < end; position += batchSize) {
    const stop = Math.min(position + batchSize, end);
    const next = stop < end ? { epoch: from.epoch, position: stop } : { epoch: from.epoch + 1, position: 0 };
    yield { rows: rows.subarray(position, stop), next };
  }
}
