import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { Thread } from "./threads.js";

/** What a thread is given to begin with. */
export interface ThreadData {
  /** URL of the module whose `start` it calls. */
  readonly module: string;
  readonly init: unknown;
}

/** A job's answer as it comes from the thread. */
export type Answer = { readonly id: number } & (
  | { readonly result: unknown }
  | { readonly error: Pick<Error, "name" | "message" | "stack"> & Readonly<Record<string, unknown>> }
);

/** A thread of the compiled package at `root`, for the `start` of one of its modules, as "models/miss/batch-thread.js". */
export function startThread(root: string, module: string, init: unknown): Thread {
  const compiled = (path: string) => pathToFileURL(join(root, "dist", path));
  const workerData: ThreadData = { module: compiled(module).href, init };
  // What this process was started with (loaders, an inspector) is not for its threads.
  const worker = new Worker(compiled("bindings/platform/node-thread.js"), { workerData, execArgv: [] });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let next = 0;
  let ended: Error | null = null;
  const end = (error: Error) => {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.on("message", (answer: Answer) => {
    const job = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ("result" in answer) job?.resolve(answer.result);
    else job?.reject(Object.assign(new Error(answer.error.message), answer.error));
  });
  worker.on("error", end);
  worker.on("exit", (code) => end(new Error(`a thread that reads data ended (exit code ${code})`)));
  return {
    run(job) {
      if (ended) return Promise.reject(ended);
      const id = next++;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, job });
      });
    },
    async close() {
      end(new Error("the threads that read data are closed"));
      await worker.terminate();
    },
  };
}
