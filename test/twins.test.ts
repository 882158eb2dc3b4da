import { afterAll, describe, expect, test } from "vitest";
import { hostInputs } from "../engine/check/fill.js";
import { runOp } from "../engine/check/run-op.js";
import { openDevice } from "../engine/device/open-device.js";
import { isFloat } from "../engine/dtype.js";
import { expectClose } from "./support/compare.js";
import { elements, ops, tables } from "./support/ops.js";
import { twins, withoutTwin } from "./support/twins.js";

/**
 * References of fused ops against the same formula in simple ops, forward and each gradient, both in float64: kernel and
 * reference could share a mistake, as they were written side by side.
 */
const exact = await openDevice("reference", { exact: true });
afterAll(() => exact.close());

/** Both sides are float64; 1e30 of a hidden score leaves nothing, the rest are sums of some thousand terms. */
const TOLERANCE = 1e-11;
/** Where the simple ops take 1 / count or a smoothing as f32 params of their own, rounded to 2^-24, a few in a chain. */
const ROUNDED = new Set(["crossEntropy", "layerNorm", "rmsNorm", "topKRouting"]);
const ROUNDED_TOLERANCE = 2e-7;
/** Plain loops over scores of every pair. */
const LIMIT = 100_000;

for (const { table } of tables) {
  const op = ops.get(table.op);
  const twin = twins[table.op];
  if (!op || !twin) continue;
  describe(table.op, () => {
    for (const c of table.cases) {
      const reason = elements(c) > LIMIT ? "the same code as its smaller cases" : withoutTwin(c);
      if (reason) {
        test.skip(`${c.name}: ${reason}`, () => {});
        continue;
      }
      test(c.name, async () => {
        const host = hostInputs(c, "f32");
        const composed = Object.assign((inputs: never, options: never) => twin(inputs, options, host), {
          opName: `${table.op} in simple ops`,
          inputs: op.inputs,
          differentiable: true,
        });
        const withGradients = c.options?.keys === undefined;
        const fused = await runOp(exact, op, c, host, withGradients);
        const simple = await runOp(exact, composed as never, c, host, withGradients);
        const tolerance = ROUNDED.has(table.op) ? ROUNDED_TOLERANCE : TOLERANCE;
        simple.outputs.forEach((y, i) => {
          if (isFloat(simple.dtypes[i])) expectClose(`output ${i}`, fused.outputs[i], y, tolerance);
        });
        for (const [name, gradient] of Object.entries(simple.gradients)) {
          if (!gradient || c.notDerivative?.[name]) continue;
          expect(fused.gradients[name], `d${name}`).not.toBeNull();
          expectClose(`d${name}`, fused.gradients[name] as Float64Array, gradient, tolerance);
        }
      });
    }
  });
}
