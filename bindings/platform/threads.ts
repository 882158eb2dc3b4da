/** Threads beside the one that JavaScript runs on, for work that would keep the device waiting. */

/** Does jobs of one kind, one after the other. */
export interface Thread {
  /** Rejects with an Error of the name, message and plain fields of what the job threw, or where the thread ended. */
  run(job: unknown): Promise<unknown>;
  /** Ends it; jobs that are not done reject. */
  close(): Promise<void>;
}

/** What the module of a thread exports as `start`: given what the thread was started with, the function that does a job. */
export type Start<Init, Job, Result> = (init: Init) => Promise<(job: Job) => Promise<Done<Result>>>;

export interface Done<Result> {
  readonly result: Result;
  /** Memory of the result that is handed over instead of being copied. */
  readonly transfer?: readonly ArrayBuffer[];
}
