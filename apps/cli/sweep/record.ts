import { join } from "node:path";
import { z } from "zod";
import { io } from "../../../engine/index.js";
import { RunConfig, sameData } from "../../../models/index.js";
import { sameConfig } from "../../../models/training/run-state.js";
import { writeFileIn } from "../terminal/output.js";
import { exists } from "../train/run-folder.js";

/** Of questions: how many were answered rightly, and the 95 % interval of that share. */
const counted = z.object({ correct: z.int(), total: z.int(), low: z.number(), high: z.number() });
const metrics = z.object({
  opened: z.number().nullable(),
  closed: z.number().nullable(),
  global: z.number().nullable(),
  details: z.record(z.string(), counted),
});

const recordSchema = z.object({
  /** Of the file's layout. */
  version: z.literal(1),
  /** As `tuningRowName` writes it. */
  row: z.string(),
  seed: z.int(),
  /** Whether there is nothing left to do: false where Ctrl-C stopped it. */
  done: z.boolean(),
  /** Steps on weights that were thrown away, in the place of a training. */
  rehearsed: z.boolean(),
  /** As the run recorded it: with the hashes of a table. */
  config: RunConfig,
  device: z.object({ name: z.string(), description: z.string() }),
  parameters: z.object({ trainable: z.int(), total: z.int() }),
  /** Steps of the training so far. */
  steps: z.int(),
  /** Of them those that `seconds` counts: fewer where a process was killed, and without the first of a rehearsal. */
  timedSteps: z.int(),
  /** Of training, over all processes that did a part of it. */
  seconds: z.number(),
  /** On the device at most, in training. */
  peakBytes: z.number(),
  /** Largest resident set of the process in training; null where it was larger before. */
  peakRss: z.number().nullable(),
  /** On the test questions; null where none were answered. */
  metrics: metrics.nullable(),
  /** Of always giving the answer that is most common in training. */
  majority: z
    .object({ opened: z.number().nullable(), closed: z.number().nullable(), global: z.number().nullable() })
    .nullable(),
  /** What to know before the numbers, a sentence each. */
  warnings: z.array(z.string()),
  /** When it was written. */
  date: z.string(),
});
/** What is kept of a row and a seed, beside its run. */
export type RowRecord = z.infer<typeof recordSchema>;

/** Where a row is kept: the runs of its seeds are in it. */
export const rowFolder = (out: string, row: string, seed: number) => join(out, row, `seed-${seed}`);

const fileOf = (folder: string, rehearsed: boolean) => join(folder, rehearsed ? "rehearsal.json" : "row.json");

/** Null where the row was not begun, or left nothing. */
export async function readRecord(folder: string, rehearsed: boolean): Promise<RowRecord | null> {
  const file = fileOf(folder, rehearsed);
  if (!(await exists(file))) return null;
  const text = await io.readText(file, "It holds the result of a row");
  return io.parseWith(recordSchema, io.parseJson(text, file), file);
}

export const writeRecord = (folder: string, record: RowRecord): Promise<void> =>
  writeFileIn(fileOf(folder, record.rehearsed), `${JSON.stringify(record, null, 2)}\n`);

/** The settings of a row that was begun with the same ones: with what it recorded of its data. */
export const asRecorded = (given: RunConfig, recorded: RunConfig): RunConfig =>
  sameData(given.data, recorded.data) ? { ...given, data: recorded.data } : given;

/** Throws FileFormatError where the row was begun with other settings, naming them. */
export const refuseOther = (folder: string, { rehearsed, config }: RowRecord, given: RunConfig): void =>
  sameConfig(config, asRecorded(given, config), fileOf(folder, rehearsed));
