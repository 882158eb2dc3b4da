import { loadavg } from "node:os";
import { type Device, type DeviceChoice, openDevice } from "../engine/index.js";
import type { FloatDType } from "../kernels/contract.js";
import { openPeers } from "./contenders/index.js";
import type { BenchDocument, BenchRow } from "./document.js";
import { environment, gpuState } from "./environment.js";
import { measure } from "./measure.js";
import type { Routing } from "./shapes/routing.js";
import { type TaskOptions, tasksOf } from "./suites/index.js";
import type { Suite } from "./suites/names.js";
import type { OpenedPeer } from "./task.js";

export type { BenchDocument, BenchRow } from "./document.js";

export interface BenchOptions {
  /** Instead of the suite's own: sets, or shapes in the forms of bench/README.md. */
  readonly shapes?: string;
  /** How tokens spread over experts. Default: as each row says, balanced but where it is about skew. */
  readonly routing?: Routing;
  /** Default: the passes that the suite has by itself. */
  readonly pass?: TaskOptions["pass"];
  /** Of ours and of every peer. */
  readonly threads: number;
  /** Of those in contenders/index.ts. */
  readonly peers: readonly string[];
  /** For all rows together; every row gets at least five rounds. */
  readonly budgetSeconds: number;
  readonly device: DeviceChoice;
  /** Storage type of inputs and results. Default f32. */
  readonly dtype?: FloatDType;
  /** Bytes; the device's own default where absent. */
  readonly memoryBudget?: number;
  onProgress?(text: string): void;
  /** Once aborted, the document has the rows so far; the one that is measured is not among them. */
  readonly signal?: AbortSignal;
}

/**
 * Times a suite, row by row, peers in turn with ours in the same rounds. A peer that is missing, lacks an operation or
 * computes something else is a blank with a reason. Throws OptionError for unknown peers and shapes.
 */
export async function runBench(suite: Suite, options: BenchOptions): Promise<BenchDocument> {
  const { threads, dtype = "f32", onProgress, signal } = options;
  const { shapes, routing, pass } = options;
  let device: Device | null = null;
  let peers: OpenedPeer[] = [];
  try {
    device = await openDevice(options.device, { threads, memoryBudget: options.memoryBudget });
    const { budget } = device.memory();
    const asked = { shapes, routing, pass, dtype, memoryBudget: budget, device: options.device };
    const { tasks, skipped } = tasksOf(suite, asked);
    peers = await openPeers(options.peers, { threads, device: options.device, dtype });
    const loadBefore = loadavg();
    const gpuBefore = options.device.startsWith("cuda") ? gpuState() : undefined;
    const deadline = performance.now() + 1000 * options.budgetSeconds;
    const rows: BenchRow[] = [];
    for (const [i, task] of tasks.entries()) {
      onProgress?.(`${i + 1}/${tasks.length} ${task.op} ${task.pass} ${task.shape}`);
      const share = Math.max(0, deadline - performance.now()) / 1000 / (tasks.length - i);
      try {
        rows.push(await measure(task, device, peers, { threads, dtype, seconds: share, signal }));
      } catch (error) {
        // Ctrl-C reaches the processes of peers, too, whose failures mean nothing then.
        if (!signal?.aborted) throw error;
      }
      if (signal?.aborted) break;
    }
    const versions = Object.fromEntries(peers.map(({ name, peer, reason }) => [name, peer?.version ?? reason]));
    return {
      version: 2,
      environment: environment(device, threads, loadBefore, versions, gpuBefore),
      ceilings: [],
      rows,
      skipped: [...skipped],
    };
  } finally {
    device?.close();
    for (const { peer } of peers) await peer?.close();
  }
}
