// A page's Worker in Node, as far as jax-js uses it: a script behind a blob's address, messages both ways.

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
  /** Started as soon as the blob is read, which its owner may revoke later. */
  #started;

  constructor(url) {
    this.#started = resolveObjectURL(url)
      .text()
      .then((source) => {
        const worker = new Worker(WORLD + source, { eval: true });
        worker.on("message", (data) => this.onmessage?.({ data }));
        worker.on("error", (error) => this.onerror?.(error));
        worker.unref();
        return worker;
      });
    this.#started.catch((error) => this.onerror?.(error));
  }

  postMessage(message) {
    this.#started.then((worker) => worker.postMessage(message));
  }

  terminate() {
    this.#started.then((worker) => worker.terminate());
  }
}
