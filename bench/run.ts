import { loadavg } from "node:os";
import { type Device, type DeviceChoice, OptionError, openDevice } from "../engine/index.js";
import type { FloatDType } from "../kernels/contract.js";
import { openPeers } from "./contenders/index.js";
import type { BenchDocument, BenchRow } from "./document.js";
import { environment, gpuState } from "./environment.js";
import { measure } from "./measure.js";
import { tasksOf } from "./suites/index.js";
import type { Suite } from "./suites/names.js";

export type { BenchDocument, BenchRow } from "./document.js";

export interface BenchOptions {
  /** Instead of the suite's own, comma-separated: see bench/README.md for the forms. */
  readonly shapes?: string;
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
  const tasks = tasksOf(suite, options.shapes);
  const fixed = tasks.find(({ dtypes }) => dtype !== "f32" && !dtypes?.includes(dtype));
  if (fixed) throw new OptionError(`bench ${fixed.suite}: its rows are in f32 alone, not in ${dtype}.`);
  const peers = await openPeers(options.peers, { threads, device: options.device, dtype });
  let device: Device | null = null;
  try {
    device = await openDevice(options.device, { threads, memoryBudget: options.memoryBudget });
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
      skipped: [],
    };
  } finally {
    device?.close();
    for (const { peer } of peers) await peer?.close();
  }
}
