import { expect, test } from "vitest";
import { IGNORE, shiftTargets } from "../../models/miss/targets.js";

test("the next token of each position; what has the id of padding is ignored, wherever it stands", () => {
  const ids = [5, 1, 2, 3, 5, 0, 3, 0];
  expect([...shiftTargets(ids, 2, 4, 0)]).toEqual([1, 2, 3, IGNORE, 3, IGNORE]);
});
