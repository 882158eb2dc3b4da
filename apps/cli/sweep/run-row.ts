import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Device, type DeviceChoice, openDevice } from "../../../engine/index.js";
import {
  loadSplits,
  type Rehearsal,
  type RunConfig,
  rehearse,
  type TrainResult,
  trainMiss,
} from "../../../models/index.js";
import { locked } from "../../hub/lock.js";
import { evaluate, majorityOf, metricsOf } from "../eval/evaluation.js";
import { warnings } from "../eval/leak.js";
import { bertVocabulary } from "../package-files.js";
import { Interrupted } from "../terminal/exit.js";
import { count } from "../terminal/format.js";
import type { Interruption } from "../terminal/interruption.js";
import { memoryUsed } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";
import { asRecorded, type RowRecord, readRecord, refuseOther, rowFolder, writeRecord } from "./record.js";
import type { SweepRun } from "./rows.js";

export interface RowOptions {
  readonly out: string;
  readonly deviceName: DeviceChoice;
  readonly threads?: number;
  /** Bytes. */
  readonly memory?: number;
  readonly checkpointSeconds: number;
  readonly dataThreads?: number;
  readonly interruption: Interruption;
  /** Steps on weights that are thrown away, in the place of a training; null where it is trained. */
  readonly rehearsal: number | null;
  /** Removes weights and checkpoint of a row that is measured. */
  readonly resultsOnly: boolean;
}

/** Another process has the row. */
class Held extends Error {}

/**
 * Trains and measures a row, or goes on where it was stopped. Null where another process is at it: of several with the same rows each
 * row is done by one.
 */
export async function runRow(run: SweepRun, options: RowOptions): Promise<RowRecord | null> {
  const folder = rowFolder(options.out, run.row, run.config.seed);
  await mkdir(dirname(folder), { recursive: true });
  // One that died touches its lock no more: it is waited for until it is taken over.
  const onWait = (isLive: boolean) => {
    if (isLive) throw new Held();
  };
  try {
    return await locked(`${folder}.lock`, { onWait }, () => ofOneProcess(run, folder, options));
  } catch (error) {
    if (error instanceof Held) return null;
    throw error;
  }
}

async function ofOneProcess(run: SweepRun, folder: string, options: RowOptions): Promise<RowRecord> {
  const { rehearsal } = options;
  const saved = await readRecord(folder, rehearsal !== null);
  if (saved) refuseOther(folder, saved, run.config);
  // Another process may have done it since this one looked.
  if (saved?.done) return saved;
  // A device of its own, so that the peak is the row's.
  using device = await openDevice(options.deviceName, { threads: options.threads, memoryBudget: options.memory });
  // Awaited here: the device is closed where this block ends.
  return await (rehearsal === null
    ? trained(run, folder, saved, device, options)
    : rehearsed(run, folder, rehearsal, device, options));
}

/** The resident set at most since `before`, where it grew: the system keeps one mark for all of a process. */
const peakRssSince = (before: number): number | null => {
  const now = process.resourceUsage().maxRSS * 1024;
  return now > before ? now : null;
};

async function trained(
  { row, config: given }: SweepRun,
  folder: string,
  saved: RowRecord | null,
  device: Device,
  options: RowOptions,
): Promise<RowRecord> {
  const { interruption, checkpointSeconds, dataThreads } = options;
  const { signal } = interruption;
  const progress = new Progress(device);
  const { onEvent } = progress;
  const config = saved ? asRecorded(given, saved.config) : given;
  const before = process.resourceUsage().maxRSS * 1024;
  const started = performance.now();
  const settings = {
    device,
    out: folder,
    bertVocabulary,
    resume: true,
    signal,
    checkpointSeconds,
    dataThreads,
    onEvent,
  };
  const training = trainMiss(config, settings);
  const result = await interruption.guard(training, stopped(row, config, "before a step"));
  const record: RowRecord = {
    ...begun(row, result.config, device),
    parameters: result.parameters,
    steps: result.steps,
    timedSteps: (saved?.timedSteps ?? 0) + result.steps - result.resumedAt,
    seconds: (saved?.seconds ?? 0) + (performance.now() - started) / 1000,
    peakBytes: Math.max(saved?.peakBytes ?? 0, memoryUsed(device).peakBytes),
    peakRss: larger(saved?.peakRss ?? null, peakRssSince(before)),
    warnings: warnings(result, result.config.data),
  };
  await writeRecord(folder, record);
  if (result.interrupted) throw new Interrupted(stopped(row, config, `after step ${count(result.steps)}`));
  const measured = { ...record, ...(await measuredOn(folder, result, device, row, interruption)), done: true };
  await writeRecord(folder, measured);
  if (options.resultsOnly)
    for (const name of ["model.safetensors", "last.safetensors", "best.safetensors", "adapter"])
      await rm(join(folder, name), { recursive: true, force: true });
  return measured;
}

const larger = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : Math.max(a, b));

const stopped = (row: string, { seed }: RunConfig, where: string) =>
  `stopped in ${row}, seed ${seed}, ${where}. The rows before it are done, and its checkpoint is kept: the same command goes on.`;

/** What every record begins with. */
const begun = (row: string, config: RunConfig, { name, description }: Device) => ({
  version: 1 as const,
  row,
  seed: config.seed,
  done: false,
  rehearsed: false,
  config,
  device: { name, description },
  metrics: null,
  majority: null,
  date: new Date().toISOString(),
});

/** The model of the folder on the test questions. */
async function measuredOn(
  folder: string,
  { config }: TrainResult,
  device: Device,
  row: string,
  interruption: Interruption,
): Promise<Pick<RowRecord, "metrics" | "majority">> {
  const { signal } = interruption;
  const { train, test } = await loadSplits(config, signal);
  const onProgress = new Progress(device).answering("test");
  const found = await interruption.guard(
    evaluate(folder, test, { device, signal, onProgress, atATime: config.batch }),
    stopped(row, config, "while it was tested"),
  );
  const majority = majorityOf(train, test);
  return {
    metrics: finite(metricsOf(found.scores)),
    majority: finite({
      opened: majority.opened.accuracy,
      closed: majority.closed.accuracy,
      global: majority.global.accuracy,
    }),
  };
}

/** As JSON has it: null where there was nothing to count. */
const finite = <T extends object>(shares: T): T =>
  Object.fromEntries(Object.entries(shares).map(([key, share]) => [key, Number.isNaN(share) ? null : share])) as T;

async function rehearsed(
  { row, config: given }: SweepRun,
  folder: string,
  steps: number,
  device: Device,
  { interruption, dataThreads }: RowOptions,
): Promise<RowRecord> {
  const { signal } = interruption;
  const before = process.resourceUsage().maxRSS * 1024;
  const onStep = new Progress(device).counting(row, "steps");
  const work = rehearse(given, steps, { device, signal, bertVocabulary, dataThreads, onStep });
  const found: Rehearsal = await interruption.guard(
    work,
    `stopped in ${row}. The rows before it are done: the same command goes on with this one.`,
  );
  // The first step also makes what the others find.
  const timed = found.seconds.length > 1 ? found.seconds.slice(1) : found.seconds;
  const record: RowRecord = {
    ...begun(row, given, device),
    done: true,
    rehearsed: true,
    parameters: found.parameters,
    steps,
    timedSteps: timed.length,
    seconds: timed.reduce((a, b) => a + b, 0),
    peakBytes: found.peakBytes,
    peakRss: peakRssSince(before),
    warnings: [],
  };
  await writeRecord(folder, record);
  return record;
}
