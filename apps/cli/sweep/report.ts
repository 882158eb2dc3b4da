import { basename } from "node:path";
import { type RunConfig, tuningRowName } from "../../../models/index.js";
import type { Bar, BarGroup, Fact } from "../../report/data.js";
import type { SweepReport } from "../../report/sweep.js";
import { environment } from "../eval/environment.js";
import { count } from "../terminal/format.js";
import { aboutSeeds, majorityInterval, majorityOver } from "./baseline.js";
import type { RowRecord } from "./record.js";
import { OUR_TABLES, type SweepRun } from "./rows.js";
import { aboutColumns, type RowSummary, type Spread, sweepCells } from "./summary.js";

export interface SweepResults {
  readonly tables: readonly { readonly title: string; readonly summaries: readonly RowSummary[] }[];
  readonly records: readonly RowRecord[];
  /** What is not done. */
  readonly missing: readonly SweepRun[];
  /** What all rows have alike; its seed and its tuning are not looked at. */
  readonly config: RunConfig;
}

/** A sweep as its page shows it. */
export function sweepReport({ tables, records, missing, config }: SweepResults): SweepReport {
  const seeds = [...new Set(records.map(({ seed }) => seed))];
  const ours = tables.some(({ title }) => title.startsWith("Table "));
  const left = missing.map(({ row, config: { seed } }) => `${row} with seed ${seed}`).join(", ");
  const alone = tables.some(({ summaries }) => summaries.some(({ records: of }) => of.length === 1));
  const devices = [...new Map(records.map(({ device }) => [device.description, device])).values()];
  return {
    title: `consilium: ways of tuning MISS on ${dataText(config)}`,
    lede: "Each module frozen (F), trained in full (T), or frozen and tuned by a method; one set of settings for all rows.",
    notices: [
      ...(ours ? [{ head: "Rows:", text: OUR_TABLES }] : []),
      ...(left ? [{ head: "Not done yet:", text: `${left}.` }] : []),
      ...[...new Set([...aboutSeeds(records), ...records.flatMap(({ warnings }) => warnings)])].map((text) => ({
        head: "Note:",
        text,
      })),
    ],
    tables: tables.map(({ title, summaries }) => ({
      title,
      cells: sweepCells(summaries),
      groups: accuracyOf(summaries),
    })),
    columns: aboutColumns(records),
    intervals:
      seeds.length > 1
        ? {
            title: `lines: one standard deviation between seeds to each side${alone ? ", of one seed its 95 % interval" : ""}`,
            head: "one deviation to each side",
          }
        : { title: "with 95 % intervals", head: "95 % interval" },
    settings: settingsOf(config, seeds),
    environment: environment({
      name: [...new Set(devices.map(({ name }) => name))].join(", ") || "none",
      description: devices.map(({ description }) => description).join("; ") || "none: no row is done",
    }),
  };
}

const dataText = ({ data }: RunConfig) => (data.set === "table" ? basename(data.file) : data.set);

const GROUPS = { global: "All questions", closed: "Yes or no", opened: "All others" } as const;

/** A bar for each row, below them that of the most common answer. */
function accuracyOf(summaries: readonly RowSummary[]): BarGroup[] {
  const measured = summaries.filter(({ global }) => global !== null);
  if (measured.length === 0) return [];
  const all = measured.flatMap(({ records }) => records);
  return (["global", "closed", "opened"] as const).map((part) => {
    const bars = measured.map(({ row, records, ...summary }): Bar => {
      const only = records.find(({ metrics }) => typeof metrics?.[part] === "number")?.metrics?.details[part];
      return { label: tuningRowName(row), kind: "model", ...ends(summary[part], only) };
    });
    const majority = majorityOver(all)?.[part] ?? null;
    const always: Bar[] =
      majority === null
        ? []
        : [{ label: "most common", kind: "baseline", ...ends(majority, majorityInterval(all, part)) }];
    return { label: GROUPS[part], total: totalOf(all, part), bars: [...bars, ...always] };
  });
}

/** Seeds that split a table anew test other questions, and not always as many. */
function totalOf(records: readonly RowRecord[], part: keyof typeof GROUPS): number | string {
  const totals = records.flatMap(({ metrics }) => metrics?.details[part]?.total ?? []);
  const [least, most] = [Math.min(...totals), Math.max(...totals)];
  return least === most ? least : `${least} to ${most}`;
}

/** A share with the ends of its line: between seeds, or the interval of the one. */
function ends(value: Spread | null, only?: { readonly low: number; readonly high: number }) {
  if (value === null) return { share: Number.NaN, low: 0, high: 1 };
  const { mean: share, spread } = value;
  if (spread === null) return { share, low: only?.low ?? share, high: only?.high ?? share };
  return { share, low: Math.max(0, share - spread), high: Math.min(1, share + spread) };
}

function settingsOf(config: RunConfig, seeds: readonly number[]): Fact[] {
  const {
    preset,
    init,
    imageSize,
    epochs,
    batch,
    accumulate,
    lr,
    schedule,
    precision,
    answering,
    vocabulary,
    scaling,
  } = config;
  return [
    { name: "data", value: dataText(config) },
    { name: "model", value: imageSize === undefined ? preset : `${preset}, ${imageSize} px` },
    { name: "start", value: init ?? "random weights" },
    { name: "epochs", value: count(epochs) },
    { name: "questions a step", value: count(batch * accumulate) },
    { name: "largest learning rate", value: `${lr}, cosine by ${schedule}` },
    { name: "products", value: precision },
    { name: "vocabulary, pixels", value: `${vocabulary}, ${scaling}` },
    { name: "answers", value: answering.method === "rank" ? "ranked from the training answers" : "written freely" },
    { name: "seeds", value: seeds.join(", ") || "none is done" },
  ];
}
