import { loadavg } from "node:os";
import { type Device, type DeviceChoice, openDevice } from "../engine/index.js";
import type { FloatDType } from "../kernels/contract.js";
import { openPeers } from "./contenders/index.js";
import type { BenchDocument } from "./document.js";
import { environment, gpuState } from "./machine/environment.js";
import { type Progress, runTasks } from "./run-tasks.js";
import type { Routing } from "./shapes/routing.js";
import { type TaskOptions, tasksOf } from "./suites/index.js";
import type { Suite } from "./suites/names.js";
import type { OpenedPeer } from "./task.js";
import { namedVariant } from "./variant/named.js";
import { openVariant } from "./variant/peer.js";

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
  /** Of those in contenders/names.ts. Default none. */
  readonly peers?: readonly string[];
  /** A user's kernel in place of one of ours, as `--kernel` takes it: it is a peer named `kernel`. */
  readonly kernel?: string;
  /**
   * Seconds of one piece of a peer, some times as many of its first calls: its process is killed then, the row has a blank, and
   * the next row starts it anew. Default 60.
   */
  readonly peerLimitSeconds?: number;
  /** For all rows together; every row gets at least five rounds. */
  readonly budgetSeconds: number;
  readonly device: DeviceChoice;
  /** Storage type of inputs and results. Default f32. */
  readonly dtype?: FloatDType;
  /** Bytes; the device's own default where absent. */
  readonly memoryBudget?: number;
  /** What repeats it, for the document. */
  readonly command?: string;
  onProgress?(progress: Progress): void;
  /** Once aborted, the document has the rows so far; the one that is measured is not among them. */
  readonly signal?: AbortSignal;
}

/**
 * Times a suite, row by row, peers in turn with ours in the same rounds. A peer that is missing, lacks an operation or
 * computes something else is a blank with a reason. Throws OptionError for unknown suites, shapes, peers and kernels.
 */
export async function runBench(suite: Suite, options: BenchOptions): Promise<BenchDocument> {
  const { threads, dtype = "f32", device: choice, budgetSeconds, onProgress, signal } = options;
  let device: Device | null = null;
  let peers: OpenedPeer[] = [];
  try {
    device = await openDevice(choice, { threads, memoryBudget: options.memoryBudget });
    const { shapes, routing, pass } = options;
    const { budget } = device.memory();
    const asked = { shapes, routing, pass, dtype, memoryBudget: budget, device: choice };
    const { tasks, skipped } = tasksOf(suite, asked);
    peers = await opened(options, dtype);
    const loadBefore = loadavg();
    const gpuBefore = choice.startsWith("cuda") ? gpuState() : undefined;
    const { ceilings, rows, failed } = await runTasks(device, tasks, peers, {
      threads,
      dtype,
      budgetSeconds,
      onProgress,
      signal,
    });
    const versions = Object.fromEntries(peers.map(({ name, peer, reason }) => [name, peer?.version ?? reason]));
    return {
      version: 2,
      environment: {
        ...environment(device, threads, loadBefore, versions, gpuBefore),
        ...(options.command !== undefined && { command: options.command }),
      },
      ceilings,
      rows,
      skipped: [...skipped, ...failed],
    };
  } finally {
    device?.close();
    // All of them, whatever one of them says: a process that is left keeps this one alive.
    await Promise.allSettled(peers.map(async ({ peer }) => peer?.close()));
  }
}

async function opened(
  { peers = [], kernel, threads, device, peerLimitSeconds }: BenchOptions,
  dtype: FloatDType,
): Promise<OpenedPeer[]> {
  const conditions = { threads, device, dtype };
  // Its file is wrong sooner than other libraries are started.
  const variant = kernel === undefined ? null : await openVariant(namedVariant(kernel), conditions);
  try {
    const others = await openPeers(peers, { ...conditions, limitSeconds: peerLimitSeconds });
    return variant ? [{ name: "kernel", peer: variant, reason: "" }, ...others] : others;
  } catch (error) {
    await variant?.close();
    throw error;
  }
}
