import { expect, test } from "vitest";
import type { RowRecord } from "../../apps/cli/sweep/record.js";
import { aboutColumns } from "../../apps/cli/sweep/summary.js";

const record = (rehearsed: boolean) => ({ rehearsed }) as RowRecord;

test("the time of a step is said to be that of the whole training, or of rehearsed steps alone", () => {
  expect(aboutColumns([record(false), record(true)])).toContain(
    "s/step: the whole training by its steps, with reading",
  );
  expect(aboutColumns([record(true)])).toMatch(/s\/step: of the steps behind the first alone\.$/);
});
