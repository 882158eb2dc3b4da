/** What steps need from the run whose they are. */
export interface Stepping<Batch> {
  /** Enqueues a step; the promise is that of its numbers, and rejects where they cannot be trained on. */
  step(batch: Batch): Promise<void>;
  /** Writes a checkpoint of the steps so far. */
  save(): Promise<void>;
  /** Whether a checkpoint is due. */
  due(): boolean;
  /** Whether something else comes before the next step. */
  pauses?(): boolean;
  readonly signal?: AbortSignal;
}

/**
 * Whether `work` came to its end: false where the signal stopped it, whose reason it threw. What it would have done is still
 * to do.
 */
export async function completed(work: Promise<void>, signal?: AbortSignal): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return false;
    throw error;
  }
}

/**
 * A step for each batch: the next is enqueued while the numbers of the one before are on their way. True at their end, or where
 * they pause; false when the signal stopped it, with a checkpoint. Where a batch cannot be read, the steps before it are saved, too, before it throws.
 */
export async function takeSteps<Batch>(
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  { step, save, due, pauses, signal }: Stepping<Batch>,
): Promise<boolean> {
  let pending: Promise<void> = Promise.resolve();
  let taken = false;
  const saveTaken = async () => {
    await pending;
    if (taken) await save();
  };
  for await (const batch of guarded(batches, saveTaken)) {
    const numbers = step(batch);
    taken = true;
    // Awaited in the next round; a step that throws before must not leave its error unheard.
    numbers.catch(() => {});
    await pending;
    pending = numbers;
    const pause = pauses?.() ?? false;
    if (!signal?.aborted && !due() && !pause) continue;
    await pending;
    if (signal?.aborted || due()) await save();
    if (signal?.aborted) return false;
    if (pause) return true;
  }
  await pending;
  return true;
}

/** `batches`, with `rescue` before what they throw. */
async function* guarded<Batch>(batches: Iterable<Batch> | AsyncIterable<Batch>, rescue: () => Promise<void>) {
  try {
    yield* batches;
  } catch (error) {
    await rescue();
    throw error;
  }
}
