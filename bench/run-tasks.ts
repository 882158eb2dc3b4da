import type { Device } from "../engine/index.js";
import type { FloatDType } from "../kernels/contract.js";
import type { BenchRow } from "./document.js";
import { measure } from "./measure.js";
import type { OpenedPeer, Task } from "./task.js";

export interface RunConditions {
  readonly threads: number;
  readonly dtype: FloatDType;
  /** For all rows together; every row gets at least five rounds. */
  readonly budgetSeconds: number;
  /** Before each row: which, of how many, and how long they may still take. */
  onProgress?(progress: Progress): void;
  /** Once aborted, the rows so far are the result; the one that is measured is not among them. */
  readonly signal?: AbortSignal;
}

export interface Progress {
  /** From 0. */
  readonly row: number;
  readonly rows: number;
  readonly text: string;
  readonly secondsLeft: number;
}

/** Rows, one after the other, each with its share of what is left of the time. Runs in Node and in a page. */
export async function runTasks(
  device: Device,
  tasks: readonly Task[],
  peers: readonly OpenedPeer[],
  { threads, dtype, budgetSeconds, onProgress, signal }: RunConditions,
): Promise<BenchRow[]> {
  const deadline = performance.now() + 1000 * budgetSeconds;
  const rows: BenchRow[] = [];
  for (const [row, task] of tasks.entries()) {
    const secondsLeft = Math.max(0, deadline - performance.now()) / 1000;
    onProgress?.({ row, rows: tasks.length, text: `${task.op} ${task.pass} ${task.shape}`, secondsLeft });
    const seconds = secondsLeft / (tasks.length - row);
    try {
      rows.push(await measure(task, device, peers, { threads, dtype, seconds, signal }));
    } catch (error) {
      // Ctrl-C reaches the processes of peers, too, whose failures mean nothing then.
      if (!signal?.aborted) throw error;
    }
    if (signal?.aborted) break;
  }
  return rows;
}
