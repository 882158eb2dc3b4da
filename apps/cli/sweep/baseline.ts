/** What the answers of a sweep are compared with, and whether its seeds answer the same questions. */
import { type Interval, wilson } from "../../../models/index.js";
import type { RowRecord } from "./record.js";
import { type Spread, spreadOf } from "./summary.js";

type Part = "opened" | "closed" | "global";

/** Always the most common training answer, a record a seed. */
const majorities = (records: readonly RowRecord[]): RowRecord[] => [
  ...new Map(records.filter(({ majority }) => majority).map((record) => [record.seed, record])).values(),
];

/** Always the most common training answer, over the seeds as a row is; null where none was measured. */
export function majorityOver(records: readonly RowRecord[]): Record<Part, Spread | null> | null {
  const seeds = majorities(records);
  if (seeds.length === 0) return null;
  const over = (part: Part) => spreadOf(seeds.map(({ majority }) => majority?.[part]));
  return { opened: over("opened"), closed: over("closed"), global: over("global") };
}

/** Its 95 % interval in the one seed that has such questions. */
export function majorityInterval(records: readonly RowRecord[], part: Part): Interval | undefined {
  const known = majorities(records).find(({ majority }) => typeof majority?.[part] === "number");
  const total = known?.metrics?.details[part]?.total;
  return total === undefined ? undefined : wilson(Math.round((known?.majority?.[part] ?? 0) * total), total);
}

/** Of a table that may not say its parts itself, a sentence where several seeds were measured. */
export function aboutSeeds(records: readonly RowRecord[]): string[] {
  const split = records.some(({ metrics, config: { data } }) => metrics && data.set === "table" && !data.test);
  const seeds = new Set(records.map(({ seed }) => seed)).size;
  return split && seeds > 1
    ? [
        "Unless the table has a column that says the split, every seed tests other questions: the spread is of the questions, too.",
      ]
    : [];
}
