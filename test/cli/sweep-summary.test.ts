import { describe, expect, test } from "vitest";
import { aboutSeeds, majorityOver } from "../../apps/cli/sweep/baseline.js";
import type { RowRecord } from "../../apps/cli/sweep/record.js";
import { sweepReport } from "../../apps/cli/sweep/report.js";
import { aboutColumns, summaryOf } from "../../apps/cli/sweep/summary.js";
import { renderSweep } from "../../apps/report/sweep.js";
import { RunConfig, tuningRowName, wilson } from "../../models/index.js";

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
  expect(majorityOver(records)).toEqual({
    opened: { mean: 0.2, spread: null },
    closed: null,
    global: { mean: 0.4, spread: expect.closeTo(Math.SQRT2 / 10) },
  });
  expect(majorityOver([])).toBeNull();
  expect(aboutSeeds(records)).toEqual([expect.stringContaining("every seed tests other questions")]);
  expect(aboutSeeds(records.slice(1))).toEqual([]);
  expect(aboutSeeds([1, 2].map((seed) => of(seed, 0.2, 0.3, { ...table, test: { file: "test.csv" } })))).toEqual([]);
  expect(aboutSeeds([1, 2].map((seed) => of(seed, 0.2, 0.3, { set: "organ" })))).toEqual([]);
});

describe("the page of a sweep", () => {
  const row = { vit: "F", jtm: "F", dec: "T", rank: null } as const;
  const measured = (seed: number, total: number, closed: number | null, common: number | null) => {
    const details = { global: wilsonOf(6, 10 + seed), closed: wilsonOf((closed ?? 0) * total, total) };
    return {
      ...{ row: tuningRowName(row), seed, done: true, rehearsed: false, warnings: [], peakBytes: 1, peakRss: null },
      ...{ timedSteps: 1, steps: 1, seconds: 1, parameters: { trainable: 1, total: 2 } },
      ...{ device: { name: "cpu", description: "a test" } },
      config: RunConfig.parse({ data: { set: "table", file: "rows.csv" }, epochs: 1, seed }),
      metrics: { opened: null, closed, global: 0.5, details: { ...details, opened: wilsonOf(0, 0) } },
      majority: { opened: null, closed: common, global: 0.1 * seed },
    } as unknown as RowRecord;
  };
  const wilsonOf = (correct: number, total: number) => ({ correct, total, ...wilson(correct, total) });
  const groupsOf = (...records: RowRecord[]) => {
    const tables = [{ title: "ours", summaries: [summaryOf(row, records)] }];
    const report = sweepReport({ tables, records, missing: [], config: records[0].config });
    return { report, groups: Object.fromEntries(report.tables[0].groups.map((group) => [group.label, group])) };
  };

  test("has the most common answer over all seeds, as far from its mean as they are, and the numbers of questions of all", () => {
    const { report, groups } = groupsOf(measured(1, 4, 0.5, 0.25), measured(3, 8, 0.5, 0.75));
    const [, common] = groups["All questions"].bars;
    expect(common).toMatchObject({ label: "most common", share: 0.2, low: expect.closeTo(0.2 - Math.SQRT2 / 10) });
    expect(common.high).toBeCloseTo(0.2 + Math.SQRT2 / 10);
    expect(groups["All questions"].total).toBe("11 to 13");
    expect(groups["Yes or no"]).toMatchObject({ total: "4 to 8" });
    expect(renderSweep(report)).toContain("one deviation to each side");
    expect(renderSweep(report)).not.toContain("95 %");
  });

  test("has 95 % intervals of the one seed, and of the one that has such questions", () => {
    const only = groupsOf(measured(3, 8, 0.5, 0.75));
    expect(only.groups["Yes or no"].bars[1]).toMatchObject({ share: 0.75, ...wilson(6, 8) });
    expect(renderSweep(only.report)).toContain("95 % interval");
    const { groups } = groupsOf(measured(1, 0, null, null), measured(3, 8, 0.5, 0.75));
    expect(groups["Yes or no"].bars).toMatchObject([wilson(4, 8), wilson(6, 8)]);
  });
});
