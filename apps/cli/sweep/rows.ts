import { OptionError } from "../../../engine/index.js";
import {
  checkModel,
  parseTuningRow,
  RunConfig,
  type TuningRow,
  tunedBy,
  tuningRowName,
  tuningTables,
} from "../../../models/index.js";
import { UsageError } from "../terminal/exit.js";

/** Rows that are shown together. */
export interface ShownTable {
  readonly title: string;
  readonly rows: readonly TuningRow[];
}

/** What every table of `tuningTables` has beside its title. */
export const OUR_TABLES =
  "The tables are ours, in the form of MILE's (arXiv 2403.06407): the paper's own list of rows was not at hand.";

const valid = `There are ${tuningTables.map(({ title }, i) => `${i + 1} (${title})`).join(", ")}, and all.`;

/** The tables that were asked for by number, and rows by their text; `rank` is that of LoRA where a row says none. Throws UsageError. */
export function chosenTables(
  { table, rows }: { readonly table?: readonly string[]; readonly rows?: readonly string[] },
  rank: number,
): ShownTable[] {
  if (!table && !rows)
    throw new UsageError(`Name rows to compare: --table N, or --rows "F-F-lora,T-T-lora@4". ${valid}`);
  const numbers = table?.includes("all") ? tuningTables.map((_, i) => String(i + 1)) : (table ?? []);
  const unknown = numbers.find((number) => !Object.hasOwn(tuningTables, Number(number) - 1));
  if (unknown !== undefined) throw new UsageError(`--table: there is no table ${unknown}. ${valid}`);
  const ours = numbers.map((number) => {
    const { title, rows: texts } = tuningTables[Number(number) - 1];
    return { title: `Table ${number}: ${title}`, rows: texts.map((text) => parseTuningRow(text, rank)) };
  });
  return [...ours, ...(rows ? [{ title: "Rows of your own", rows: ownRows(rows, rank) }] : [])];
}

/** Throws one UsageError with all that are none. */
function ownRows(texts: readonly string[], rank: number): TuningRow[] {
  const faults: string[] = [];
  const rows = texts.flatMap((text) => {
    try {
      return parseTuningRow(text, rank);
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      faults.push(error.message);
      return [];
    }
  });
  if (faults.length > 0) throw new UsageError(listed("--rows:", faults));
  return rows;
}

/** One fault behind `name`, or several below it. */
const listed = (name: string, faults: readonly string[]): string =>
  faults.length === 1 ? `${name} ${faults[0]}` : [name, ...faults.map((fault) => `  - ${fault}`)].join("\n");

/** A run of the sweep: a row with a seed. */
export interface SweepRun {
  /** Of the row, as its folder is called. */
  readonly row: string;
  readonly config: RunConfig;
}

/** Every row of the tables once with each seed, all of a row together. Throws one OptionError with those that do not go with the model's sizes. */
export async function runsOf(
  tables: readonly ShownTable[],
  seeds: readonly number[],
  config: RunConfig,
): Promise<SweepRun[]> {
  const rows = new Map(tables.flatMap((table) => table.rows).map((row) => [tuningRowName(row), row]));
  const runs = [...rows].flatMap(([name, row]) =>
    seeds.map((seed) => ({
      row: name,
      config: RunConfig.parse({ ...config, seed, adaptation: tunedBy(config.adaptation, row) }),
    })),
  );
  const faults: string[] = [];
  for (const { row, config: own } of runs.filter(({ config: { seed } }) => seed === seeds[0]))
    await checkModel(own).catch((error) => {
      if (!(error instanceof OptionError)) throw error;
      faults.push(`${row}: ${error.message}`);
    });
  if (faults.length > 0) throw new OptionError(listed("rows that the model cannot have:", faults));
  return runs;
}
