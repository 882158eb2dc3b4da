import { openDevice } from "../../engine/index.js";
import type { Ort } from "../contenders/ort-interface.js";
import { ortPeer } from "../contenders/ort-session.js";
import type { BenchDocument } from "../document.js";
import { checked, watchDevices } from "../peers/js/faults.mjs";
import { taking } from "../row/clock.js";
import { runTasks } from "../run-tasks.js";
import { tasksOf } from "../suites/index.js";
import type { Suite } from "../suites/names.js";
import { roomOf } from "../suites/room.js";
import type { HostTensors, OpenedPeer, Peer, PeerCase, Task } from "../task.js";

/** What the driver (tools/in-chromium.ts) asks of the page; `peers` are those that are installed, with their versions. */
export interface PageRequest {
  readonly suite: Suite;
  readonly shapes?: string;
  readonly peers: Readonly<Record<string, string>>;
  readonly budgetSeconds: number;
}

export interface PageReply extends Pick<BenchDocument, "ceilings" | "rows" | "skipped"> {
  readonly device: string;
  /** Version of each peer, or why it does not open. */
  readonly peers: Readonly<Record<string, string>>;
}

/** A library of bench/peers/js, as its `open` gives it. */
type Library = (task: Task, inputs: HostTensors, copies: number) => Promise<readonly Form[]> | readonly Form[];
interface Form {
  readonly name?: string;
  run(calls: number): Promise<void>;
  results(): Promise<Readonly<Record<string, Float32Array>>>;
  release(): void;
}

/** Served beside the page, each in a bundle of its own. */
const load = (path: string) => import(/* @vite-ignore */ new URL(path, location.href).href);

async function openLibrary(name: string, version: string): Promise<Peer> {
  const library: Library = await (await load(`${name}-webgpu.js`)).open();
  return {
    version,
    async prepare(task, inputs, copies = 1) {
      return (await library(task, inputs, copies)).map(caseOf);
    },
    close() {},
  };
}

function caseOf({ name, run, results, release }: Form): PeerCase {
  const contender = { time: (calls: number) => checked(() => taking(() => run(calls))), release };
  return { contender, results: () => checked(results), ...(name && { form: name }) };
}

/** Without threads: what is timed is WebGPU, and a page needs headers for more. */
async function openOrtWeb(): Promise<Peer> {
  const ort = await load("onnxruntime-web/ort.webgpu.bundle.min.mjs");
  ort.env.wasm.wasmPaths = new URL("onnxruntime-web/", location.href).href;
  ort.env.wasm.numThreads = 1;
  const peer = ortPeer(ort as Ort, { threads: 1, device: "webgpu", constants: false });
  return {
    ...peer,
    async prepare(task, inputs, copies = 1) {
      const cases = await checked(() => peer.prepare(task, inputs, copies));
      return cases.map(({ contender, results, ...found }) => ({
        ...found,
        results: results && (() => checked(results)),
        contender: { ...contender, time: (calls) => checked(() => contender.time(calls)) },
      }));
    },
  };
}

/** Rows as in Node, by the same code: ours and every peer in this page, in turn. */
async function rows({ suite, shapes, peers: installed, budgetSeconds }: PageRequest): Promise<PageReply> {
  watchDevices();
  const peers: OpenedPeer[] = [];
  for (const [name, version] of Object.entries(installed)) {
    try {
      const peer = name === "ort" ? await openOrtWeb() : await openLibrary(name, version);
      peers.push({ name, peer, reason: "" });
    } catch (error) {
      peers.push({ name, peer: null, reason: (error as Error).message });
    }
  }
  const device = await openDevice("webgpu");
  const { tasks, skipped } = tasksOf(suite, { shapes, room: roomOf(device) });
  const { failed, ...found } = await runTasks(device, tasks, peers, {
    ...{ threads: 1, dtype: "f32", budgetSeconds },
    onProgress: ({ text }) => console.log(text),
  });
  device.close();
  const versions = Object.fromEntries(peers.map(({ name, peer, reason }) => [name, peer?.version ?? reason]));
  return { device: device.description, ...found, skipped: [...skipped, ...failed], peers: versions };
}

Object.assign(globalThis, { rows });
