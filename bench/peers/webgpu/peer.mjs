// A JavaScript library on WebGPU as a contender of the benchmarks: node peer.mjs tfjs|jax [lists]
//
// One JSON request a line on stdin, one JSON reply a line on descriptor 3, as torch_peer.py takes and gives them. Dawn is the
// package "webgpu" that consilium itself uses, so both run on the same adapter.

import { writeSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { create, globals } from "webgpu";
import { driverSeconds } from "../../../dist/bench/driver-time.js";
import { checked, firstLine, watchDevices } from "./faults.mjs";

const LIBRARIES = {
  tfjs: { of: "@tensorflow/tfjs", load: () => import("./tfjs.mjs") },
  jax: { of: "@jax-js/jax", load: () => import("./jax.mjs") },
};
const LISTS = process.argv[3] === "lists";
const ARRAYS = { f32: Float32Array, i32: Int32Array };

const reply = (message) => writeSync(3, `${JSON.stringify(message)}\n`);

// A page's world. The entry must outlive every device: Dawn frees them with it.
Object.assign(globalThis, globals);
const gpu = create([]);
const navigator = { gpu, userAgent: "node", platform: process.platform, hardwareConcurrency: 1 };
Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });

watchDevices();

let prepare;
let forms = [];

const handlers = {
  async hello() {
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new Error("WebGPU has no adapter here");
    const { of, load } = LIBRARIES[process.argv[2]];
    const manifest = new URL(`../node_modules/${of}/package.json`, import.meta.url);
    const { version } = JSON.parse(await readFile(manifest, "utf8"));
    prepare = await (await load()).open();
    const { vendor, architecture, description, device } = adapter.info;
    const words = [vendor, architecture, description || device].filter((word) => word).join(" ");
    return { version: `${version} on ${words}` };
  },

  async prepare({ op, options, trained, inputs, folder }) {
    const tensors = {};
    for (const { name, file, shape, dtype } of inputs) {
      const { buffer, byteOffset, byteLength } = await readFile(file);
      tensors[name] = { shape, values: new ARRAYS[dtype](buffer.slice(byteOffset, byteOffset + byteLength)) };
    }
    forms = await prepare({ op, options, trained, lists: LISTS }, tensors);
    const described = [];
    for (const [i, form] of forms.entries()) described.push(await describe(form, join(folder, `results-${i}`)));
    return { forms: described };
  },

  async time({ form, calls }) {
    const before = driverSeconds();
    const start = performance.now();
    await checked(() => forms[form].run(calls));
    const seconds = (performance.now() - start) / 1000;
    const after = driverSeconds();
    return { seconds, cpuSeconds: after > before ? after - before : null, peakBytes: null };
  },

  async release({ form }) {
    forms[form].release();
    return {};
  },
};

/** A form that does not run says why. */
async function describe(form, path) {
  const files = {};
  try {
    for (const [i, [name, values]] of Object.entries(await checked(form.results)).entries()) {
      files[name] = `${path}-${i}`;
      await writeFile(files[name], values);
    }
    return { name: form.name, results: files, note: LISTS ? "each expert's rows are given for nothing" : null };
  } catch (error) {
    return { name: form.name, error: firstLine(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    reply(await handlers[request.request](request));
  } catch (error) {
    // The reason becomes a blank in the document.
    reply({ error: firstLine(error) });
  }
}
// Devices that live keep the event loop running.
process.exit(0);
