/** What steps need from the run whose they are. */
export interface Stepping<Batch> {
  /** Enqueues a step; the promise is that of its numbers, and rejects where they cannot be trained on. */
  step(batch: Batch): Promise<void>;
  /** Writes a checkpoint of the steps so far. */
  save(): Promise<void>;
  /** Whether a checkpoint is due. */
  due(): boolean;
  readonly signal?: AbortSignal;
}

/**
 * A step for each batch: the next is enqueued while the numbers of the one before are on their way. False when the signal
 * stopped it, with a checkpoint.
 */
export async function takeSteps<Batch>(
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  { step, save, due, signal }: Stepping<Batch>,
): Promise<boolean> {
  let pending: Promise<void> = Promise.resolve();
  for await (const batch of batches) {
    const numbers = step(batch);
    // Awaited in the next round; a step that throws before must not leave its error unheard.
    numbers.catch(() => {});
    await pending;
    pending = numbers;
    if (!signal?.aborted && !due()) continue;
    await pending;
    await save();
    if (signal?.aborted) return false;
  }
  await pending;
  return true;
}
