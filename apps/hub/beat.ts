/** Touches the locks of this process, in a thread of its own: the main one computes for minutes without a pause. */
import { Worker } from "node:worker_threads";

/** How often, in milliseconds. */
export const BEAT = 2_000;

/** Plain JavaScript, since it runs from the sources and compiled. A lock that another process took over is left alone. */
const THREAD = `
const { readFileSync, utimesSync } = require("node:fs");
const { parentPort } = require("node:worker_threads");
const locks = new Map();
parentPort.on("message", ({ own, path }) => (path === null ? locks.delete(own) : locks.set(own, path)));
setInterval(() => {
  for (const [own, path] of locks)
    try {
      if (readFileSync(path, "utf8") === own) utimesSync(path, new Date(), new Date());
    } catch {}
}, ${BEAT});
`;

let thread: Worker | null = null;

/** From now on; `own` is what stands in the lock. The function that is returned ends it. */
export function touching(path: string, own: string): () => void {
  thread ??= started();
  const to = thread;
  to.postMessage({ own, path });
  return () => to.postMessage({ own, path: null });
}

function started(): Worker {
  const worker = new Worker(THREAD, { eval: true, execArgv: [] });
  // It keeps no process from its end.
  worker.unref();
  return worker;
}
