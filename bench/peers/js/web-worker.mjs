// A page's Worker in Node, as far as jax-js uses it: a script behind a blob's address, messages both ways, errors as events.

import { resolveObjectURL } from "node:buffer";
import { Worker } from "node:worker_threads";

const WORLD = `const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => globalThis.onmessage({ data }));
`;

export class WebWorker {
  onmessage = null;
  onerror = null;
  /** Started as soon as the blob is read, which its owner may revoke later; null where that failed. */
  #started;

  constructor(url) {
    this.#started = this.#start(url).catch((error) => this.#fail(error));
  }

  postMessage(message) {
    this.#then((worker) => worker.postMessage(message));
  }

  terminate() {
    this.#then((worker) => worker.terminate());
  }

  async #start(url) {
    const blob = resolveObjectURL(url);
    if (!blob) throw new Error(`no blob behind ${url}`);
    const worker = new Worker(WORLD + (await blob.text()), { eval: true });
    worker.on("message", (data) => this.onmessage?.({ data }));
    worker.on("error", (error) => this.#fail(error));
    worker.unref();
    return worker;
  }

  /** What does not go through, as a message that cannot be cloned, is an error event like any other. */
  #then(use) {
    this.#started.then((worker) => worker && use(worker)).catch((error) => this.#fail(error));
  }

  /** To who listens; else to stderr, where a process's last words are looked for. */
  #fail(error) {
    if (this.onerror) this.onerror(error);
    else console.error(`worker: ${error.message}`);
    return null;
  }
}
