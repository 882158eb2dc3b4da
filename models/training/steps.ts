/** What steps need from the run whose they are. */
export interface Stepping<Batch> {
  /**
   * Enqueues a step; the promise is that of its numbers, and rejects where they cannot be trained on. `waited`: for how many
   * seconds the device had nothing to do since its batch was not there.
   */
  step(batch: Batch, waited: number): Promise<void>;
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
  const idle = new Idle();
  for await (const batch of idle.between(guarded(batches, saveTaken))) {
    const numbers = idle.while(step(batch, idle.waited));
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

/** For how long nothing is under way while a batch is waited for. */
class Idle {
  /** Of the last batch, in seconds. */
  waited = 0;
  #steps = 0;
  #since = performance.now();

  async *between<Batch>(batches: AsyncIterable<Batch>): AsyncGenerator<Batch> {
    let asked = performance.now();
    for await (const batch of batches) {
      this.waited = this.#steps > 0 ? 0 : (performance.now() - Math.max(asked, this.#since)) / 1000;
      yield batch;
      asked = performance.now();
    }
  }

  async while(step: Promise<void>): Promise<void> {
    this.#steps++;
    try {
      await step;
    } finally {
      this.#steps--;
      this.#since = performance.now();
    }
  }
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
