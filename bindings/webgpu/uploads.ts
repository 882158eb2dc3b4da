/** How often the queue is asked whether it has taken what was written. */
const PIECE = 16 << 20;

/**
 * Counts what was written to the queue and waits in host memory until the device gets there: a loop that writes and never
 * awaits piles it up, since nothing in JavaScript can wait for the device without an await. In pieces of 16 MiB.
 */
export class Uploads {
  /** Bytes that wait, less than a piece too few. */
  waiting = 0;
  #queue: GPUQueue;
  #since = 0;

  constructor(queue: GPUQueue) {
    this.#queue = queue;
  }

  add(bytes: number): void {
    this.#since += bytes;
    if (this.#since < PIECE) return;
    const piece = this.#since;
    this.#since = 0;
    this.waiting += piece;
    const taken = () => {
      this.waiting -= piece;
    };
    this.#queue.onSubmittedWorkDone().then(taken, taken);
  }
}
