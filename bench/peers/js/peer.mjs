// A JavaScript library as a contender of the benchmarks: node peer.mjs LIBRARY [FLAG...]
//
// One JSON request a line on stdin, one JSON reply a line on descriptor 3, as torch_peer.py takes and gives them. LIBRARY is a
// file beside this one, which exports
//
//     library   the npm package whose version counts, or null
//     open      ({device, threads, flags}) => prepare
//
// and prepare(task, inputs, copies) gives forms [{name, note, error, copiedBytes, run, results, release}]: `run` takes a number of
// calls and goes from an idle device to an idle device. Calls take `copies` sets of the inputs in turn, past the caches; `copiedBytes`
// are of all but the first. A form with `error` does not run. Flags: "lists", only forms that are given each expert's
// rows, which are other work; "constants", weights in the model.

import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { readRaw } from "../../../dist/bench/contenders/raw-files.js";
import { driverSeconds } from "../../../dist/bench/machine/driver-time.js";
import { checked, firstLine } from "./faults.mjs";

const [name, ...flags] = process.argv.slice(2);

const reply = (message) => writeSync(3, `${JSON.stringify(message)}\n`);

let library;
let prepare;
let onGpu = false;
let forms = [];
/** Bytes in memory before the task. */
let before = null;

const processSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const handlers = {
  async hello({ device, threads }) {
    onGpu = device === "webgpu";
    const adapter = name.endsWith("-webgpu") ? await (await import("./dawn.mjs")).openDawn() : null;
    library = await import(`./${name}.mjs`);
    prepare = await library.open({ device, threads, flags });
    return { version: [await packageVersion(library.library), ...(adapter ? ["on", adapter] : [])].join(" ") };
  },

  async prepare({ inputs, copies, ...task }) {
    before = startMemory();
    const tensors = {};
    for (const described of inputs) tensors[described.name] = await readRaw(described);
    forms = await prepare(task, tensors, copies);
    return { forms: forms.map(({ name, note, error }) => ({ name, note, error })) };
  },

  async results({ form, folder }) {
    const results = {};
    for (const [i, [key, values]] of Object.entries(await checked(forms[form].results)).entries()) {
      results[key] = join(folder, `result-${i}`);
      await writeFile(results[key], values);
    }
    return { results };
  },

  async time({ form, calls }) {
    // Where a GPU computes, JavaScript only waits. On the processor every thread counts: onnxruntime-node, too, computes on that one.
    const counter = onGpu ? driverSeconds : processSeconds;
    const [processor, start] = [counter(), performance.now()];
    await checked(() => forms[form].run(calls));
    const seconds = (performance.now() - start) / 1000;
    // A driver may rest all the while; the two counters then differ by their rounding.
    return { seconds, cpuSeconds: Math.max(0, counter() - processor), peakBytes: peak() };
  },

  async release({ form }) {
    await forms[form].release();
    return {};
  },
};

async function packageVersion(of) {
  if (!of) return `Node ${process.version}`;
  return JSON.parse(await readFile(new URL(`../node_modules/${of}/package.json`, import.meta.url), "utf8")).version;
}

/** Bytes of this process in memory: VmRSS now, VmHWM at most since it was reset; null where the system does not say. */
function resident(field) {
  try {
    const [, kilobytes] = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync("/proc/self/status", "utf8"));
    return 1024 * Number(kilobytes);
  } catch {
    return null;
  }
}

function startMemory() {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Then the peak is that of all tasks so far.
  }
  return resident("VmRSS");
}

/** By how much the process grew at most, but for copies of the inputs; of a GPU's memory nobody tells. */
function peak() {
  const most = onGpu ? null : resident("VmHWM");
  const copied = forms.reduce((sum, { copiedBytes = 0 }) => sum + copiedBytes, 0);
  return most === null || before === null ? null : Math.max(0, most - before - copied);
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
// Devices and workers that live keep the event loop running.
process.exit(0);
