/** What came of a row over its seeds, and as the cells of a table in the paper's form. */
import { type TuningRow, trainablePercent, tuningRowName } from "../../../models/index.js";
import { bytes, clock } from "../terminal/format.js";
import type { RowRecord } from "./record.js";

/** A share over seeds. */
export interface Spread {
  readonly mean: number;
  /** Standard deviation between seeds; null of one. */
  readonly spread: number | null;
}

/** A row over its seeds. */
export interface RowSummary {
  readonly row: TuningRow;
  /** Of the seeds that are done, in their order. */
  readonly records: readonly RowRecord[];
  /** Null where no seed is done. */
  readonly opened: Spread | null;
  readonly closed: Spread | null;
  readonly global: Spread | null;
  /** The largest of all seeds. */
  readonly peakBytes: number | null;
  readonly peakRss: number | null;
  /** Mean of a whole training; null of rehearsals. */
  readonly seconds: number | null;
  /** Mean of a step. */
  readonly secondsPerStep: number | null;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

export function spreadOf(values: readonly (number | null | undefined)[]): Spread | null {
  const known = values.filter((value): value is number => typeof value === "number");
  if (known.length === 0) return null;
  const middle = mean(known);
  const squares = known.map((value) => (value - middle) ** 2);
  return {
    mean: middle,
    spread: known.length > 1 ? Math.sqrt(squares.reduce((a, b) => a + b, 0) / (known.length - 1)) : null,
  };
}

/** The records of a row; those of others are left out. */
export function summaryOf(row: TuningRow, all: readonly RowRecord[]): RowSummary {
  const name = tuningRowName(row);
  const records = all.filter((record) => record.row === name && record.done);
  const most = (values: readonly (number | null)[]) => {
    const known = values.filter((value) => value !== null);
    return known.length > 0 ? Math.max(...known) : null;
  };
  const timed = records.filter(({ timedSteps }) => timedSteps > 0);
  const perStep = timed.map(({ seconds, timedSteps }) => seconds / timedSteps);
  const whole = timed.filter(({ rehearsed }) => !rehearsed);
  return {
    row,
    records,
    opened: spreadOf(records.map(({ metrics }) => metrics?.opened)),
    closed: spreadOf(records.map(({ metrics }) => metrics?.closed)),
    global: spreadOf(records.map(({ metrics }) => metrics?.global)),
    peakBytes: most(records.map(({ peakBytes }) => peakBytes)),
    peakRss: most(records.map(({ peakRss }) => peakRss)),
    // Of a training that was killed the lost part counts as long as the rest.
    seconds:
      whole.length > 0 ? mean(whole.map(({ seconds, steps, timedSteps }) => (seconds * steps) / timedSteps)) : null,
    secondsPerStep: perStep.length > 0 ? mean(perStep) : null,
  };
}

/** The same for JSON. */
export const summaryDocument = ({ row, records, ...summary }: RowSummary) => ({
  row: tuningRowName(row),
  ...row,
  ...(records.length > 0
    ? { parameters: { ...records[0].parameters, percent: trainablePercent(records[0].parameters) } }
    : { parameters: null }),
  ...summary,
  seeds: records.map(({ version, row: _, ...record }) => record),
});

const NAMES: Readonly<Record<string, string>> = { lora: "LoRA", ia3: "IA3", prefix: "Prefix", ptv2: "PTv2" };
const NONE = "-";

/** Per cent with one digit, and the spread where there are several seeds. */
const share = (value: Spread | null) => {
  if (value === null) return NONE;
  const digits = (part: number) => (100 * part).toFixed(1);
  return value.spread === null ? digits(value.mean) : `${digits(value.mean)} ± ${digits(value.spread)}`;
};

/** Cells with a head, the paper's columns first. Answers stand in it where there are any, the resident set where it is known. */
export function sweepCells(summaries: readonly RowSummary[]): string[][] {
  const records = summaries.flatMap((summary) => summary.records);
  const rehearsed = records.length > 0 && records.every((record) => record.rehearsed);
  const seeds = Math.max(1, ...summaries.map((summary) => summary.records.length));
  const columns: [head: string, cell: (summary: RowSummary) => string][] = [
    ["ViT", ({ row }) => NAMES[row.vit] ?? row.vit],
    ["JTM", ({ row }) => NAMES[row.jtm] ?? row.jtm],
    ["Dec", ({ row }) => NAMES[row.dec] ?? row.dec],
    ...when(
      summaries.some(({ row }) => row.rank !== null),
      "rank",
      ({ row }) => (row.rank === null ? "" : `${row.rank}`),
    ),
    ["#Params %", ({ records: [first] }) => (first ? trainablePercent(first.parameters).toFixed(3) : NONE)],
    ...when(!rehearsed, "opened", ({ opened }) => share(opened)),
    ...when(!rehearsed, "closed", ({ closed }) => share(closed)),
    ...when(!rehearsed, "global", ({ global }) => share(global)),
    ["memory", ({ peakBytes }) => (peakBytes === null ? NONE : bytes(peakBytes))],
    ...when(
      summaries.some(({ peakRss }) => peakRss !== null),
      "process",
      ({ peakRss }) => (peakRss === null ? NONE : bytes(peakRss)),
    ),
    ...when(!rehearsed, "time", ({ seconds }) => (seconds === null ? NONE : clock(seconds))),
    ["s/step", ({ secondsPerStep }) => (secondsPerStep === null ? NONE : secondsPerStep.toPrecision(3))],
    ...when(seeds > 1, "seeds", ({ records: of }) => `${of.length}`),
  ];
  return [columns.map(([head]) => head), ...summaries.map((summary) => columns.map(([, cell]) => cell(summary)))];
}

const when = (
  shown: boolean,
  head: string,
  cell: (summary: RowSummary) => string,
): [string, (summary: RowSummary) => string][] => (shown ? [[head, cell]] : []);

const ANSWERS =
  "Opened, closed (the true answer is yes or no) and global: per cent of the test questions, mean ± standard deviation over seeds. ";

const WHOLE = "the whole training by its steps, with reading the data, validations, checkpoints and export.";

/** What the columns hold, for people. */
export const aboutColumns = (records: readonly RowRecord[]): string => {
  const rehearsed = records.every((record) => record.rehearsed);
  return (
    `${rehearsed ? "" : ANSWERS}#Params: trained of all, adapters included. ` +
    "Memory: the most in use on the device in training; process: its largest resident set, where it grew in that row. " +
    `s/step: ${rehearsed ? "of the steps behind the first alone." : WHOLE}`
  );
};
