/** What runs in a thread: answers each message by the function that the module's `start` gave. */
import { parentPort, workerData } from "node:worker_threads";
import type { Answer, ThreadData } from "./node-threads.js";
import type { Done } from "./threads.js";

const { module, init } = workerData as ThreadData;
const started: Promise<(job: unknown) => Promise<Done<unknown>>> = import(module).then(({ start }) => start(init));
// Each job says why it could not be done.
started.catch(() => {});

parentPort?.on("message", async ({ id, job }: { id: number; job: unknown }) => {
  const answer = (value: Answer, transfer: readonly ArrayBuffer[] = []) =>
    parentPort?.postMessage(value, [...transfer]);
  try {
    const { result, transfer } = await (await started)(job);
    answer({ id, result }, transfer);
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const { name, message, stack } = error;
    answer({ id, error: { ...plainFields(error), name, message, stack } });
  }
});

/** What says more than the message, as the file: what else an error holds may be nothing that a message takes. */
const plainFields = (error: Error) =>
  Object.fromEntries(
    Object.entries(error).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value)),
  );
