// jax-js in WebAssembly. It starts a Web Worker for each thread of the machine where there are any: in Node, those of
// web-worker.mjs, and as many as it is told.

import { WebWorker } from "./web-worker.mjs";

const navigator = { userAgent: "node", platform: process.platform, hardwareConcurrency: 1 };
Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });

export const library = "@jax-js/jax";

export async function open({ threads, flags }) {
  navigator.hardwareConcurrency = threads;
  if (threads > 1) globalThis.Worker = WebWorker;
  const jax = await import("@jax-js/jax");
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  const { preparing } = await import("./jax.mjs");
  return preparing({ lists: flags.includes("lists") });
}
