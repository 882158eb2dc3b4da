import { loadavg } from "node:os";
import { type Device, type DeviceChoice, openDevice } from "../engine/index.js";
import type { FloatDType } from "../kernels/contract.js";
import { openPeers } from "./contenders/index.js";
import type { BenchDocument, SkippedRow } from "./document.js";
import { environment, gpuState } from "./machine/environment.js";
import { type CheckedOptions, checkedOptions } from "./options.js";
import { type Measured, type Progress, runTasks } from "./run-tasks.js";
import type { Routing } from "./shapes/routing.js";
import { type TaskOptions, tasksOf } from "./suites/index.js";
import type { Suite } from "./suites/names.js";
import { roomOf } from "./suites/room.js";
import type { OpenedPeer, Task } from "./task.js";
import { namedVariant } from "./variant/named.js";
import { openVariant } from "./variant/peer.js";

export type { BenchDocument, BenchRow } from "./document.js";

/** What `runBench` measures, and how. */
export interface BenchOptions {
  /** Instead of the suite's own: sets, or shapes in the forms of bench/README.md. */
  readonly shapes?: string;
  /** How tokens spread over experts. Default: as each row says, balanced but where it is about skew. */
  readonly routing?: Routing;
  /** Default: the passes that the suite has by itself. */
  readonly pass?: TaskOptions["pass"];
  /**
   * Of ours and of every peer. Several on the cpu device: all rows with the first number, then with the next, and so on.
   * Default: one number, the cores that this process may use.
   */
  readonly threads?: number | readonly number[];
  /** Of those in contenders/names.ts. Default none. */
  readonly peers?: readonly string[];
  /** A user's kernel in place of one of ours, as `--kernel` takes it: it is a peer named `kernel`. */
  readonly kernel?: string;
  /**
   * Seconds of one piece of a peer, some times as many of its first calls: its process is killed then, the row has a blank, and
   * the next row starts it anew. Default 60.
   */
  readonly peerLimitSeconds?: number;
  /** For all rows together; every row gets at least five rounds. Default 120. */
  readonly budgetSeconds?: number;
  /** Where to compute. Default cpu. */
  readonly device?: DeviceChoice;
  /** Storage type of inputs and results. Default f32. */
  readonly dtype?: FloatDType;
  /** Bytes; the device's own default where absent. */
  readonly memoryBudget?: number;
  /** What repeats it, for the document. */
  readonly command?: string;
  /** Reject before anything is measured where a peer that is asked for does not start. Default false: it is a blank. */
  readonly failMissing?: boolean;
  /** Called before anything is measured, for each peer that does not start. */
  onMissingPeer?(peer: string, reason: string): void;
  /** Called before the ceilings and before each row. */
  onProgress?(progress: Progress): void;
  /** Once aborted, the document is `interrupted` and has the rows so far; the one that is measured is not among them. */
  readonly signal?: AbortSignal;
}

/**
 * Times a suite, row by row, peers in turn with ours in the same rounds. A peer that is missing, lacks an operation or
 * computes something else is a blank with a reason. Throws OptionError for unknown suites, shapes, peers, kernels and
 * options, for values that cannot be, and for several numbers of threads on a device that has none; with `failMissing` Error for
 * peers that do not start.
 */
export async function runBench(suite: Suite, asked: BenchOptions = {}): Promise<BenchDocument> {
  const options = checkedOptions(asked);
  const { device, budgetSeconds, signal, command, threads: counts } = options;
  const deadline = performance.now() + 1000 * budgetSeconds;
  const loadBefore = loadavg();
  const gpuBefore = device.startsWith("cuda") ? gpuState() : undefined;
  const parts: Part[] = [];
  for (const [i, threads] of counts.entries()) {
    // What is stopped before anything was measured is a document without rows.
    if (i > 0 && signal?.aborted) break;
    const seconds = Math.max(0, deadline - performance.now()) / 1000 / (counts.length - i);
    parts.push(await measureAll(suite, options, { threads, seconds, place: i, of: counts.length }));
  }
  const last = parts[parts.length - 1];
  const description = [...new Set(parts.map((part) => part.device.description))].join("; ");
  return {
    version: 2,
    ...(signal?.aborted && { interrupted: true }),
    environment: {
      ...environment({ ...last.device, description }, Math.max(...counts), loadBefore, last.peers, gpuBefore),
      ...(command !== undefined && { command }),
    },
    ceilings: parts.flatMap(({ ceilings }) => ceilings),
    rows: parts.flatMap(({ rows }) => rows),
    skipped: [...last.skipped, ...parts.flatMap(({ failed }) => failed)],
  };
}

/** One number of threads of several: the seconds that it has, and which of how many it is. */
interface Share {
  readonly threads: number;
  readonly seconds: number;
  readonly place: number;
  readonly of: number;
}

/** All rows with one number of threads. */
interface Part extends Measured {
  readonly device: Pick<Device, "name" | "description">;
  readonly skipped: readonly SkippedRow[];
  /** Version of each, or why it is missing. */
  readonly peers: Readonly<Record<string, string>>;
}

async function measureAll(suite: Suite, options: CheckedOptions, share: Share): Promise<Part> {
  const { threads, seconds } = share;
  const { device: choice, shapes, routing, pass, dtype = "f32", memoryBudget, signal } = options;
  let device: Device | null = null;
  let peers: OpenedPeer[] = [];
  try {
    device = await openDevice(choice, { threads, memoryBudget });
    const { tasks, skipped } = tasksOf(suite, { shapes, routing, pass, dtype, room: roomOf(device) });
    peers = await opened(options, { threads, device: choice, dtype, tasks });
    tellMissing(peers, options, share);
    const onProgress = progressOf(options, share);
    const conditions = { threads, dtype, budgetSeconds: seconds, onProgress, signal };
    const measured = await runTasks(device, tasks, peers, conditions);
    const { name, description } = device;
    const versions = peers.map((one) => [one.name, one.peer?.version ?? one.reason]);
    const failed = measured.failed.map((row) => ({ ...row, reason: withThreads(row.reason, share) }));
    return { ...measured, failed, skipped, device: { name, description }, peers: Object.fromEntries(versions) };
  } finally {
    device?.close();
    // All of them, whatever one of them says: a process that is left keeps this one alive.
    await Promise.allSettled(peers.map(async ({ peer }) => peer?.close()));
  }
}

/** Before the first row: a blank in every row is not what somebody waits for. */
function tellMissing(peers: readonly OpenedPeer[], options: CheckedOptions, { place }: Share): void {
  const missing = peers.filter(({ peer }) => peer === null);
  if (options.failMissing && missing.length > 0)
    throw new Error(
      `bench: peers that do not start: ${missing.map(({ name, reason }) => `${name}: ${reason}`).join("; ")}`,
    );
  if (place === 0) for (const { name, reason } of missing) options.onMissingPeer?.(name, reason);
}

/** Of all numbers of threads together: those to come take as long as this one. */
function progressOf({ onProgress }: CheckedOptions, share: Share): BenchOptions["onProgress"] {
  const { place, of } = share;
  if (of === 1) return onProgress;
  const begun = performance.now();
  return ({ row, rows, text, secondsLeft }) => {
    const whole = (performance.now() - begun) / 1000 + secondsLeft;
    onProgress?.({
      row: row < 0 ? row : place * rows + row,
      rows: of * rows,
      text: withThreads(text, share),
      secondsLeft: secondsLeft + (of - place - 1) * whole,
    });
  };
}

/** Says with how many, where there are several. */
const withThreads = (text: string, { threads, of }: Share) =>
  of === 1 ? text : `${text}, ${threads} ${threads === 1 ? "thread" : "threads"}`;

/** What every contender is opened for. */
interface Conditions {
  readonly threads: number;
  readonly device: DeviceChoice;
  readonly dtype: FloatDType;
  readonly tasks: readonly Task[];
}

async function opened(
  { peers = [], kernel, peerLimitSeconds }: CheckedOptions,
  conditions: Conditions,
): Promise<OpenedPeer[]> {
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
