/** Threads that make batches ready, or none: then the same is done in place. */
import { platform } from "#platform";
import type { Start, Thread } from "../../../bindings/platform/threads.js";
import { ofItsClass } from "./thread-error.js";

/** How many where nobody says: one core is left to the device and to what commands it, and disks serve few readers. */
export const usualThreads = (): number => Math.max(1, Math.min(4, platform.cores - 1));

export interface ThreadOptions<Init, Job, Result> {
  /** The module that exports `start`, by its path in the package. */
  readonly module: string;
  readonly start: Start<Init, Job, Result>;
  /** What every thread begins with: plain data. */
  readonly init: Init;
  readonly count: number;
}

/** Does jobs in threads; their results do not depend on which, nor on how many there are. */
export class DataThreads<Init, Job, Result> {
  readonly #threads: readonly { readonly thread: Thread; jobs: number }[];
  /** Without threads. */
  #here: ReturnType<Start<Init, Job, Result>> | null = null;
  readonly #options: ThreadOptions<Init, Job, Result>;

  constructor(options: ThreadOptions<Init, Job, Result>) {
    const { module, init, count } = options;
    this.#options = options;
    const thread = () => platform.startThread?.(module, init);
    this.#threads = Array.from({ length: count }, thread).flatMap((t) => (t ? [{ thread: t, jobs: 0 }] : []));
  }

  /** 0: in place. */
  get count(): number {
    return this.#threads.length;
  }

  /** Rejects with what the job threw, of the same class: its message names its file. */
  async run(job: Job): Promise<Result> {
    if (this.count === 0) {
      this.#here ??= this.#options.start(this.#options.init);
      return (await (await this.#here)(job)).result;
    }
    const least = this.#threads.reduce((a, b) => (b.jobs < a.jobs ? b : a));
    least.jobs++;
    try {
      return (await least.thread.run(job)) as Result;
    } catch (error) {
      throw ofItsClass(error as Error);
    } finally {
      least.jobs--;
    }
  }

  /** Ends the threads; jobs that are not done reject. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ thread }) => thread.close()));
  }
}
