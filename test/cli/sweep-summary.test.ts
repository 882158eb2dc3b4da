import { expect, test } from "vitest";
import { aboutSeeds, majorityOver } from "../../apps/cli/sweep/baseline.js";
import type { RowRecord } from "../../apps/cli/sweep/record.js";
import { aboutColumns } from "../../apps/cli/sweep/summary.js";

const record = (rehearsed: boolean) => ({ rehearsed }) as RowRecord;

test("the time of a step is said to be that of the whole training, or of rehearsed steps alone", () => {
  expect(aboutColumns([record(false), record(true)])).toContain(
    "s/step: the whole training by its steps, with reading",
  );
  expect(aboutColumns([record(true)])).toMatch(/s\/step: of the steps behind the first alone\.$/);
});

test("seeds of a table without its own parts test other questions: it is said, and the most common answer is their mean", () => {
  const of = (seed: number, opened: number | null, global: number, data: object) =>
    ({ seed, metrics: {}, majority: { opened, closed: null, global }, config: { data } }) as unknown as RowRecord;
  const table = { set: "table", file: "rows.csv" };
  const records = [of(1, 0.2, 0.3, table), of(2, null, 0.5, table), of(2, null, 0.5, table)];
  expect(majorityOver(records)).toEqual({ opened: 0.2, closed: null, global: 0.4 });
  expect(majorityOver([])).toBeNull();
  expect(aboutSeeds(records)).toEqual([expect.stringContaining("every seed tests other questions")]);
  expect(aboutSeeds(records.slice(1))).toEqual([]);
  expect(aboutSeeds([1, 2].map((seed) => of(seed, 0.2, 0.3, { ...table, test: { file: "test.csv" } })))).toEqual([]);
  expect(aboutSeeds([1, 2].map((seed) => of(seed, 0.2, 0.3, { set: "organ" })))).toEqual([]);
});
