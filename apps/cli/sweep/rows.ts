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
  return [...ours, ...(rows ? [{ title: "Rows of your own", rows: rows.map((text) => ownRow(text, rank)) }] : [])];
}

function ownRow(text: string, rank: number): TuningRow {
  try {
    return parseTuningRow(text, rank);
  } catch (error) {
    throw error instanceof OptionError ? new UsageError(`--rows: ${error.message}`) : error;
  }
}

/** A run of the sweep: a row with a seed. */
export interface SweepRun {
  /** Of the row, as its folder is called. */
  readonly row: string;
  readonly config: RunConfig;
}

/** Every row of the tables once with each seed, all of a row together. Throws where a row does not go with the model's sizes. */
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
  for (const { row, config: own } of runs)
    await checkModel(own).catch((error) => {
      throw error instanceof OptionError ? new OptionError(`${row}: ${error.message}`, { cause: error }) : error;
    });
  return runs;
}
