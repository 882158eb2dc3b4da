/** What the answers of a sweep are compared with, and whether its seeds answer the same questions. */
import type { RowRecord } from "./record.js";

/** Always the most common training answer, on average over the seeds; null where none was measured. */
export function majorityOver(records: readonly RowRecord[]): NonNullable<RowRecord["majority"]> | null {
  const bySeed = [
    ...new Map(records.filter(({ majority }) => majority).map((each) => [each.seed, each.majority])).values(),
  ];
  if (bySeed.length === 0) return null;
  const mean = (part: "opened" | "closed" | "global") => {
    const known = bySeed.map((majority) => majority?.[part]).filter((share) => typeof share === "number");
    return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
  };
  return { opened: mean("opened"), closed: mean("closed"), global: mean("global") };
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
