import { afterAll, describe, expect, test } from "vitest";
import { derivable, derivativeError } from "../engine/check/derivative.js";
import { hostInputs } from "../engine/check/fill.js";
import { openDevice } from "../engine/device/open-device.js";
import { elements, ops, tables } from "./support/ops.js";

/** References against central differences in float64. */
const exact = await openDevice("reference", { exact: true });
afterAll(() => exact.close());

const LIMIT = 30_000;

for (const { folder, table } of tables) {
  const op = ops.get(table.op);
  if (!op?.differentiable) continue;
  describe(`${table.op} (kernels/${folder})`, () => {
    for (const c of table.cases) {
      if (elements(c) > LIMIT) {
        test.skip(`${c.name}: smaller cases run the same loops, and each input takes two more forwards`, () => {});
        continue;
      }
      const inputs = hostInputs(c, "f32");
      test.each(derivable(c, inputs))(`d%s: ${c.name}`, async (name) => {
        expect(await derivativeError(exact, op, c, inputs, name)).toBeNull();
      });
    }
  });
}
