import { type Device, DeviceLostError } from "../engine/index.js";
import type { FloatDType } from "../kernels/contract.js";
import { measureCeilings } from "./ceilings/index.js";
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

/** Of the time, for what the device can do at most. */
const CEILING_SHARE = 0.1;
const CEILING_SECONDS = 9;

const now = () => performance.now() / 1000;

/**
 * What the device can do, then the rows, one after the other, each with its share of what is left of the time. A row that
 * fails is skipped with its reason; the others count. Runs in Node and in a page.
 */
export async function runTasks(
  device: Device,
  tasks: readonly Task[],
  peers: readonly OpenedPeer[],
  { threads, dtype, budgetSeconds, onProgress, signal }: RunConditions,
): Promise<Measured> {
  const deadline = now() + budgetSeconds;
  const rows: BenchRow[] = [];
  const failed: SkippedRow[] = [];
  let ceiling: Ceiling | null = null;
  try {
    const seconds = Math.min(CEILING_SECONDS, CEILING_SHARE * budgetSeconds);
    onProgress?.({ row: -1, rows: tasks.length, text: "ceilings of the device", secondsLeft: budgetSeconds });
    ceiling = await measureCeilings(device, { dtype, threads, seconds, signal });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
  const timeLeft = new TimeLeft(tasks.map((task) => leastSeconds(task, ceiling)));
  for (const [row, task] of tasks.entries()) {
    if (signal?.aborted) break;
    const begun = now();
    const secondsLeft = timeLeft.after(deadline - begun);
    onProgress?.({ row, rows: tasks.length, text: `${task.op} ${task.pass} ${task.shape}`, secondsLeft });
    const seconds = shareOf(deadline - begun, tasks.length - row);
    try {
      const found = await measure(task, device, peers, { threads, dtype, seconds, signal });
      rows.push({ ...found, roofline: rooflineOf(found, ceiling) });
    } catch (error) {
      // Ctrl-C reaches the processes of peers, too, whose failures mean nothing then.
      if (signal?.aborted) break;
      if (device.closed || error instanceof DeviceLostError) throw error;
      const { suite, op, pass, shape } = task;
      failed.push({ suite, op, pass, shape, reason: `it failed: ${(error as Error).message}` });
    }
    timeLeft.done(seconds, now() - begun);
  }
  return { ceilings: ceiling ? [ceiling] : [], rows, failed };
}

/** Of a call, by what the device can do; 0 where nobody knows. */
function leastSeconds({ flops, bytes }: Task, ceiling: Ceiling | null): number {
  if (!ceiling) return 0;
  return Math.max((flops ?? 0) / ceiling.flopsPerSecond, (bytes ?? 0) / ceiling.copyBytesPerSecond);
}
