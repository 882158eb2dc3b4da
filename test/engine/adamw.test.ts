import { afterAll, describe, expect, test } from "vitest";
import { AdamW } from "../../engine/optim/index.js";
import { tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

const N = 37;

describe.each(["reference", "cpu"] as const)("AdamW on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  test("thirty steps by the formula in float64, with a changing rate", async () => {
    const [beta1, beta2, eps, decay] = [0.9, 0.999, 1e-8, 0.05];
    const random = generator("adamw");
    const values = () => Float64Array.from({ length: N }, () => Math.fround(random.normal()));
    const expected = values();
    const [m, v] = [new Float64Array(N), new Float64Array(N)];
    using p = tensor(Float32Array.from(expected), { device, requiresGrad: true });
    using optimizer = new AdamW([["p", p]], { betas: [beta1, beta2], eps, weightDecay: decay });
    for (let t = 1; t <= 30; t++) {
      const lr = 0.05 / t;
      const gradient = values();
      for (let i = 0; i < N; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * gradient[i];
        v[i] = beta2 * v[i] + (1 - beta2) * gradient[i] ** 2;
        const step = m[i] / (1 - beta1 ** t) / (Math.sqrt(v[i] / (1 - beta2 ** t)) + eps);
        expected[i] += -lr * decay * expected[i] - lr * step;
      }
      p.grad = tensor(Float32Array.from(gradient), { device });
      optimizer.lr = lr;
      optimizer.step();
      optimizer.zeroGrad();
    }
    // Thirty additions of f32, each off by 2^-24 of values up to 3, and β2 rounded to f32: 1e-5 of 1 - β2.
    for (const [i, value] of (await p.data()).entries()) expect(Math.abs(value - expected[i])).toBeLessThan(3e-6);
  });
});
