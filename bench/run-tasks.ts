import { type Device, DeviceLostError } from "../engine/index.js";
import type { FloatDType } from "../kernels/contract.js";
import { fasterOf, measureCeilings } from "./ceilings/index.js";
import type { BenchDocument, BenchRow, Ceiling, SkippedRow } from "./document.js";
import { measure } from "./row/measure.js";
import { rooflineOf } from "./row/roofline.js";
import type { OpenedPeer, Task } from "./task.js";
import { shareOf, TimeLeft } from "./time-left.js";

export interface RunConditions {
  readonly threads: number;
  readonly dtype: FloatDType;
  /** For the ceilings and all rows together; every row gets at least five rounds. */
  readonly budgetSeconds: number;
  /** Before the ceilings and before each row. */
  onProgress?(progress: Progress): void;
  /** Once aborted, the rows so far are the result; the one that is measured is not among them. */
  readonly signal?: AbortSignal;
}

/** Where a run is. */
export interface Progress {
  /** The row that comes, from 0; -1 before them, while ceilings are measured. */
  readonly row: number;
  /** How many there are. */
  readonly rows: number;
  /** What is measured next, for people. */
  readonly text: string;
  /** How long all that is left will take: an estimate, from what the rows before took. */
  readonly secondsLeft: number;
}

/** What a run gives for a document. */
export interface Measured extends Pick<BenchDocument, "ceilings" | "rows"> {
  readonly failed: readonly SkippedRow[];
}

/** Of the time, for what the device can do at most: before the rows, and once more after them. */
const CEILING_SHARE = 0.05;
const CEILING_SECONDS = 5;

const now = () => performance.now() / 1000;

/**
 * What the device can do, then the rows, one after the other, each with its share of what is left of the time, then once more what
 * the device can do. A row that fails is skipped with its reason; the others count. Runs in Node and in a page.
 */
export async function runTasks(
  device: Device,
  tasks: readonly Task[],
  peers: readonly OpenedPeer[],
  { threads, dtype, budgetSeconds, onProgress, signal }: RunConditions,
): Promise<Measured> {
  const ceilingSeconds = Math.min(CEILING_SECONDS, CEILING_SHARE * budgetSeconds);
  const ceilings = () => unlessStopped(measureCeilings(device, { dtype, threads, seconds: ceilingSeconds, signal }));
  const start = now();
  const deadline = start + budgetSeconds - ceilingSeconds;
  const rows: BenchRow[] = [];
  const failed: SkippedRow[] = [];
  onProgress?.({ row: -1, rows: tasks.length, text: "ceilings of the device", secondsLeft: budgetSeconds });
  const before = await ceilings();
  /** Once more after the rows. */
  const ceilingsTake = now() - start;
  const timeLeft = new TimeLeft(tasks.map((task) => leastSeconds(task, before)));
  for (const [row, task] of tasks.entries()) {
    if (signal?.aborted) break;
    const begun = now();
    const secondsLeft = timeLeft.after(deadline - begun) + ceilingsTake;
    onProgress?.({ row, rows: tasks.length, text: `${task.op} ${task.pass} ${task.shape}`, secondsLeft });
    const seconds = shareOf(deadline - begun, tasks.length - row);
    try {
      rows.push(await measure(task, device, peers, { threads, dtype, seconds, signal }));
    } catch (error) {
      // Ctrl-C reaches the processes of peers, too, whose failures mean nothing then.
      if (signal?.aborted) break;
      if (device.closed || error instanceof DeviceLostError) throw error;
      const { suite, op, pass, shape } = task;
      failed.push({ suite, op, pass, shape, reason: `it failed: ${(error as Error).message}` });
    }
    timeLeft.done(seconds, now() - begun);
  }
  const after = before && (await ceilings());
  const ceiling = before && after ? fasterOf(before, after) : before;
  const limited = rows.map((row) => ({ ...row, roofline: rooflineOf(row, ceiling) }));
  return { ceilings: ceiling ? [ceiling] : [], rows: limited, failed };

  /** Null where it was stopped. */
  async function unlessStopped<T>(work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (error) {
      if (!signal?.aborted) throw error;
      return null;
    }
  }
}

/** Of a call, by what the device can do; 0 where nobody knows. */
function leastSeconds({ flops, bytes }: Task, ceiling: Ceiling | null): number {
  if (!ceiling) return 0;
  return Math.max((flops ?? 0) / ceiling.flopsPerSecond, (bytes ?? 0) / ceiling.copyBytesPerSecond);
}
