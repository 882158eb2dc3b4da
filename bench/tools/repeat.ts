/**
 * Whether the numbers hold: `node dist/bench/tools/repeat.js [RUNS] [SUITE] [SECONDS] [THREADS]` measures the suite's rows RUNS times (20), SECONDS a row
 * (2), each time in a new process, and a last time with every kernel delayed by 10 %. Prints how the runs compare with the first.
 * Fails where two in a row agree in less than 95 % of rows, where an unchanged row is flagged, or where a delayed one is not.
 * It needs a quiet machine, and says how many rows were measured beside other work. The documents stay in runs/repeat.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { openDevice } from "../../engine/index.js";
import { compareDocuments, type RowComparison } from "../compare/index.js";
import type { BenchDocument, BenchRow } from "../document.js";
import { environment } from "../machine/environment.js";
import { isLoaded } from "../machine/load.js";
import { runTasks } from "../run-tasks.js";
import { tasksOf } from "../suites/index.js";
import type { Suite } from "../suites/names.js";
import type { EngineContender, Taken, Task } from "../task.js";

const DELAY = 0.1;

/** Every call takes longer by the share: the processor turns, as a slower kernel's would. */
function delayed(task: Task, share: number): Task {
  const slower = ({ time, ...contender }: EngineContender): EngineContender => ({
    ...contender,
    async time(calls) {
      const { seconds, cpuSeconds }: Taken = await time(calls);
      const start = performance.now();
      while (performance.now() - start < 1000 * share * seconds);
      const spun = (performance.now() - start) / 1000;
      return { seconds: seconds + spun, cpuSeconds: cpuSeconds === null ? null : cpuSeconds + spun };
    },
  });
  return {
    ...task,
    async prepare(device, dtype) {
      const prepared = await task.prepare(device, dtype);
      return share > 0 ? { ...prepared, contender: slower(prepared.contender) } : prepared;
    },
  };
}

async function measureAll(suite: Suite, seconds: number, threads: number, share: number): Promise<BenchDocument> {
  const loadBefore = loadavg();
  const device = await openDevice("cpu", { threads });
  const tasks = tasksOf(suite).tasks.map((task) => delayed(task, share));
  const { ceilings, rows, failed } = await runTasks(device, tasks, [], {
    threads,
    dtype: "f32",
    budgetSeconds: seconds * tasks.length,
  });
  const found = environment(device, threads, loadBefore, {});
  device.close();
  // Rows are compared by their places.
  if (failed.length > 0)
    throw new Error(`bench: ${failed.map(({ op, shape, reason }) => `${op} ${shape}: ${reason}`).join("; ")}`);
  return { version: 2, environment: found, ceilings, rows, skipped: [] };
}

/** In a process of its own: memory, code and clocks are where they are in a run. Kept under `name`. */
async function inProcess(share: number, name: string): Promise<BenchDocument> {
  const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    env: { ...process.env, [CHILD]: String(share) },
  });
  const [document] = await Promise.race([once(child, "message"), once(child, "exit").then(([code]) => [code])]);
  if (typeof document !== "object") throw new Error(`bench: a run ended with ${document}.`);
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${FOLDER}/${name}.json`, JSON.stringify(document));
  return document;
}

const FOLDER = "runs/repeat";
/** Set in the processes of the runs. */
const CHILD = "CONSILIUM_REPEAT_DELAY";
const [runs = 20, suite = "matmul", seconds = 2, threads = 1] = process.argv
  .slice(2)
  .map((text, i) => (i === 1 ? text : Number(text))) as [number?, Suite?, number?, number?];

const overlap = ({ intervalUs: a }: BenchRow, { intervalUs: b }: BenchRow) => a && b && a[0] <= b[1] && b[0] <= a[1];
const moved = ({ verdict }: RowComparison) => verdict === "slower" || verdict === "faster";
const named = ({ op, pass, shape }: BenchRow, ratio: number) => `${op} ${pass} ${shape} (${ratio.toFixed(3)})`;
const listed = (what: string, names: readonly string[]) => `${what}: ${names.join(", ") || "none"}`;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

async function main(): Promise<boolean> {
  const first = await inProcess(0, "1");
  let before = first;
  let [pairs, agreeing, flagged] = [0, 0, 0];
  const widths: number[] = [];
  for (let run = 2; run <= runs; run++) {
    const document = await inProcess(0, String(run));
    const found = compareDocuments(first, document).rows;
    const apart = document.rows.flatMap((row, i) =>
      overlap(row, before.rows[i]) ? [] : [named(row, before.rows[i].medianUs / row.medianUs)],
    );
    const agree = found.length - apart.length;
    for (const { intervalUs: [low, high] = [0, 0], medianUs } of document.rows)
      widths.push((high - low) / 2 / medianUs);
    const names = found.filter(moved).map(({ new: row, ratio }) => named(row, ratio));
    const loaded = document.rows.filter(isLoaded).length;
    console.log(
      `run ${run}: ${agree} of ${found.length} rows agree with the run before${listed(", not", apart)}; moved since the first${listed("", names)}` +
        `${loaded > 0 ? `; ${loaded} beside other work` : ""}`,
    );
    [pairs, agreeing, flagged] = [pairs + found.length, agreeing + agree, flagged + names.length];
    before = document;
  }
  const caught = compareDocuments(first, await inProcess(DELAY, "delayed")).rows;
  const slower = caught.filter(({ verdict }) => verdict === "slower").length;
  const wide = widths.filter((width) => width > 0.05).length;
  console.log(`two runs in a row agree in ${percent(agreeing / pairs)} of ${pairs} rows`);
  console.log(
    `intervals wider than 5 % to a side: ${wide} of ${widths.length}; the widest ${percent(Math.max(...widths))}`,
  );
  console.log(`unchanged rows flagged: ${flagged}; delayed by 10 % and caught: ${slower} of ${caught.length}`);
  return agreeing >= 0.95 * pairs && flagged === 0 && slower === caught.length;
}

const share = process.env[CHILD];
if (share === undefined) process.exitCode = (await main()) ? 0 : 1;
else {
  const document = await measureAll(suite, seconds, threads, Number(share));
  process.send?.(document, () => process.disconnect());
}
