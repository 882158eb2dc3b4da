import { type Command, InvalidArgumentError } from "commander";
import { FileError } from "../../../bindings/platform/file-error.js";
import { DeviceLostError, io, OptionError } from "../../../engine/index.js";
import type { RunConfig } from "../../../models/index.js";
import { renderSweep } from "../../report/sweep.js";
import {
  addCommonOptions,
  type CommonOptions,
  list,
  openChosenDevice,
  positive,
  wholeNumber,
} from "../options/common-options.js";
import { readConfigFile } from "../options/config-file.js";
import { inFlags } from "../options/flag-names.js";
import { addRunFlags, runConfig, runFlags, TUNING } from "../options/run-flags.js";
import { aboutSeeds, majorityOver } from "../sweep/baseline.js";
import { type RowRecord, readRecord, refuseOther, rowFolder } from "../sweep/record.js";
import { sweepReport } from "../sweep/report.js";
import { chosenTables, OUR_TABLES, runsOf, type ShownTable, type SweepRun } from "../sweep/rows.js";
import { runRow } from "../sweep/run-row.js";
import { aboutColumns, type Spread, summaryDocument, summaryOf, sweepCells } from "../sweep/summary.js";
import { Failed, Interrupted, UsageError } from "../terminal/exit.js";
import { clock, count, percent } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { prepareFile, say, writeFileIn, writeJson } from "../terminal/output.js";
import { table as textTable } from "../terminal/table.js";
import { addDataThreads, addRunFolder } from "../train/training-run.js";

interface Options extends CommonOptions {
  table?: string[];
  rows?: string[];
  seeds?: number[];
  seed?: number;
  out?: string;
  config?: string;
  checkpointSeconds: number;
  dataThreads?: number;
  rehearse?: number;
  report?: string;
  resultsOnly?: boolean;
}

const EXAMPLES = `
Trains and measures each row with the same settings, one after the other, and prints a table in the form of MILE's. A row that is done is
not done again, and one that was stopped goes on: give the same command. Several processes with the same command share the
rows between them; once more, it prints all of them. ${OUR_TABLES}

Examples:
  consilium sweep miss --table 1 --set vqa-rad --init runs/organ --scaling ordinary --vocabulary reduced --answering rank --out runs/table-1
  consilium sweep miss --rows "F-F-lora,T-T-lora@4" --seeds 1,2,3 --set vqa-rad --out runs/ranks --report ranks.html
  consilium sweep miss --table all --preset base --batch 2 --rehearse 3 --memory 16GB --out runs/memory`;

export function addSweepMiss(command: Command): void {
  command
    .optionsGroup("Rows:")
    .option("--table <numbers>", "tables by their numbers, 1 to 4, or all", list)
    .option("--rows <rows>", 'rows of your own: ViT, JTM, decoder, and LoRA\'s rank, as "F-F-lora,T-T-lora@4"', list)
    .option("--seeds <numbers>", "every row once with each of these, as 1,2,3 (default: that of --seed)", seedList)
    .option(
      "--rehearse <steps>",
      "only so many steps of each row, on weights that are thrown away: memory and time",
      positive,
    )
    .optionsGroup("Run:");
  addDataThreads(addRunFolder(command, { keeps: "where the rows are kept, a folder for each", checkpointSeconds: 300 }))
    .option("--results-only", "remove the weights of a row once it is measured: its results and its log stay")
    .option("--report <file>", "write a page with the tables: one HTML file that needs nothing else, without images");
  addRunFlags(
    command,
    Object.keys(runFlags).filter((group) => group !== TUNING),
  );
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

function seedList(text: string): number[] {
  const seeds = list(text).map(wholeNumber);
  if (new Set(seeds).size < seeds.length) throw new InvalidArgumentError("It names a seed twice.");
  return seeds;
}

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const { out, report, seeds, seed, config: file, rehearse: rehearsal = null } = options;
  if (!out) throw new UsageError("--out is missing: name a folder to keep the rows in.");
  if (seeds && seed !== undefined) throw new UsageError("--seed and --seeds exclude each other.");
  const config = runConfig({ ...options }, file ? await readConfigFile(file, "train miss") : undefined);
  const tables = chosenTables(options, config.adaptation.rank);
  const runs = await runsOf(tables, seeds ?? [config.seed], config);
  if (report) await prepareFile(report);

  await refuseOthers(out, runs, rehearsal !== null);
  const failed = await work(runs, { ...options, out });
  const records = await recordsOf(out, runs, rehearsal !== null);
  const left = runs.filter((each) => !records.some((record) => isOf(record, each)));
  const missing = left.filter((each) => !failed.some(({ of }) => of === each));
  const shown = tables.map(({ title, rows }) => ({ title, summaries: rows.map((row) => summaryOf(row, records)) }));
  for (const { title, summaries } of shown) say(options, `\n${title}\n\n${textTable(sweepCells(summaries))}`);
  for (const line of remarks(records, missing, tables)) say(options, line);
  for (const { of, why } of failed) say(options, `FAILED: ${named(of)}: ${why}`);
  if (report) await writeFileIn(report, renderSweep(sweepReport({ tables: shown, records, missing, config })));
  await writeJson(options, {
    version: 1,
    command: "sweep miss",
    config: shared(config),
    rehearsal,
    seconds: (performance.now() - started) / 1000,
    tables: tables.map(({ title }, i) => ({ title, rows: shown[i].summaries.map(summaryDocument) })),
    missing: missing.map(({ row, config: { seed: of } }) => ({ row, seed: of })),
    failed: failed.map(({ of, why }) => ({ row: of.row, seed: of.config.seed, why })),
  });
  if (failed.length > 0) throw new Failed();
}

const named = ({ row, config }: SweepRun) => `${row}, seed ${config.seed}`;

/** What all rows have alike. */
function shared({ seed: _, adaptation, ...config }: RunConfig) {
  const { vit, jtm, dec, rank, ...methods } = adaptation;
  return { ...config, adaptation: methods };
}

const isOf = (record: RowRecord, { row, config }: SweepRun) => record.row === row && record.seed === config.seed;

/** Before any work: a row that was begun with other settings stays as it is. */
async function refuseOthers(out: string, runs: readonly SweepRun[], rehearsed: boolean): Promise<void> {
  for (const { row, config } of runs) {
    const folder = rowFolder(out, row, config.seed);
    const record = await readRecord(folder, rehearsed);
    if (record) refuseOther(folder, record, config);
  }
}

/** Those that are done. */
async function recordsOf(out: string, runs: readonly SweepRun[], rehearsed: boolean): Promise<RowRecord[]> {
  const found = await Promise.all(
    runs.map(({ row, config }) => readRecord(rowFolder(out, row, config.seed), rehearsed)),
  );
  return found.filter((record) => record?.done).map((record) => record as RowRecord);
}

/** What could not be trained, and why. */
type FailedRun = { readonly of: SweepRun; readonly why: string };

/** Does what is not done, but for what another process is at. A row that fails stops no other. */
async function work(runs: readonly SweepRun[], options: Options & { out: string }): Promise<FailedRun[]> {
  const { out, rehearse: rehearsal = null, threads, memory, checkpointSeconds, dataThreads } = options;
  const done = await recordsOf(out, runs, rehearsal !== null);
  const left = runs.filter((each) => !done.some((record) => isOf(record, each)));
  if (left.length === 0) return [];
  const probe = await openChosenDevice(options);
  const deviceName = options.device ?? probe.name;
  probe.close();
  using interruption = new Interruption();
  const failed: FailedRun[] = [];
  for (const [i, each] of left.entries()) {
    process.stderr.write(`\nrow ${count(i + 1)} of ${count(left.length)}: ${named(each)}\n`);
    const settings = { out, deviceName, threads, memory, checkpointSeconds, dataThreads, interruption, rehearsal };
    try {
      const found = await runRow(each, { ...settings, resultsOnly: options.resultsOnly ?? false });
      process.stderr.write(`${found ? inWords(found) : "another process is at it"}\n`);
    } catch (error) {
      if (!isOfRow(error)) throw error;
      const why = await inFlags(error.message, ["sweep", "miss"]);
      process.stderr.write(`failed: ${why}\n`);
      failed.push({ of: each, why });
    }
  }
  return failed;
}

/** Whether another row may still succeed: not where files, settings or the device are at fault. */
const isOfRow = (error: unknown): error is Error =>
  error instanceof Error &&
  ![Interrupted, FileError, OptionError, DeviceLostError].some((kind) => error instanceof kind) &&
  !(error instanceof io.FileFormatError);

const inWords = ({ metrics, seconds, rehearsed, timedSteps }: RowRecord) =>
  rehearsed
    ? `${(seconds / timedSteps).toPrecision(3)} s a step`
    : `trained in ${clock(seconds)}; global ${percent(metrics?.global ?? Number.NaN)}`;

/** What stands below the tables. */
function remarks(records: readonly RowRecord[], missing: readonly SweepRun[], tables: readonly ShownTable[]): string[] {
  const majority = majorityOver(records);
  const of = (value: Spread | null) => {
    const spread = value?.spread ? ` ± ${percent(value.spread)}` : "";
    return `${percent(value?.mean ?? Number.NaN)}${spread}`;
  };
  return [
    ...(majority
      ? [
          `Always the most common training answer: opened ${of(majority.opened)}, closed ${of(majority.closed)}, global ${of(majority.global)}.`,
        ]
      : []),
    aboutColumns(records),
    ...(tables.some(({ title }) => title.startsWith("Table ")) ? [OUR_TABLES] : []),
    ...aboutSeeds(records),
    ...new Set(records.flatMap(({ warnings }) => warnings)),
    ...(missing.length > 0
      ? [
          `Not done, another process is at it: ${missing.map(({ row, config }) => `${row} with seed ${config.seed}`).join(", ")}. The same command shows the rest later, and takes over what a process left that has died.`,
        ]
      : []),
  ];
}
