import { afterAll, describe, expect, test } from "vitest";
import { isFloat } from "../engine/dtype.js";
import { openDevice } from "../engine/open-device.js";
import type { DType, OpCase } from "../kernels/contract.js";
import { type HostInput, hostInputs } from "./support/fill.js";
import { elements, ops, tables } from "./support/ops.js";
import { generator } from "./support/random.js";
import { outputGradient, runOp } from "./support/run-op.js";

/**
 * References against central differences in float64: along a random direction d of each input,
 * (f(x + h d) - f(x - h d)) / 2h = <df/dx, d> with f = Σ dy · y. The error of the difference is about h² plus 1e-16 / h.
 */
const exact = await openDevice("reference", { exact: true });
afterAll(() => exact.close());

const H = 1e-5;
const TOLERANCE = 2e-6;
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
      const floats = Object.keys(inputs).filter(
        (n) => isFloat(inputs[n].dtype) && !c.noGradient?.[n] && !c.notDerivative?.[n],
      );
      test.each(floats)(`d%s: ${c.name}`, async (name) => {
        const { gradients, dtypes } = await runOp(exact, op, c, inputs, true);
        const gradient = gradients[name];
        expect(gradient, `the op gives no gradient for ${name}; say so in noGradient`).not.toBeNull();
        const random = generator(`${c.name}/${name}/direction`);
        const direction = inputs[name].values.map(() => random.normal());
        const value = async (sign: number) => {
          const moved: HostInput = {
            ...inputs[name],
            values: inputs[name].values.map((v, i) => v + sign * H * direction[i]),
          };
          const y = await runOp(exact, op, c, { ...inputs, [name]: moved }, false);
          return y.outputs.reduce((sum, out, i) => sum + weigh(c, out, i, dtypes[i]), 0);
        };
        const difference = ((await value(1)) - (await value(-1))) / (2 * H);
        let inner = 0;
        let size = 0;
        (gradient as Float64Array).forEach((g, i) => {
          inner += g * direction[i];
          size += Math.abs(g * direction[i]);
        });
        expect(Math.abs(difference - inner), `difference ${difference}, gradient ${inner}`).toBeLessThanOrEqual(
          TOLERANCE * Math.max(1, size),
        );
      });
    }
  });
}

/** Σ dy · y over one output; integers have no derivative. */
function weigh(c: OpCase, y: Float64Array, i: number, dtype: DType): number {
  if (!isFloat(dtype)) return 0;
  const dy = outputGradient(c, { shape: [y.length], size: y.length, dtype }, i).values;
  return y.reduce((sum, v, k) => sum + v * dy[k], 0);
}
