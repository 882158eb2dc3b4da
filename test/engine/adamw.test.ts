import { afterAll, describe, expect, test, vi } from "vitest";
import { capture } from "../../engine/device/capture.js";
import { OutOfMemoryError } from "../../engine/errors.js";
import { sum } from "../../engine/ops/reduce.js";
import { square } from "../../engine/ops/unary.js";
import { AdamW } from "../../engine/optim/index.js";
import { scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

const N = 37;

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("AdamW on %s", async (name) => {
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

  /** [early, late, never]: gradients of the first come from step 1 on, of the second in the steps that `late` says. */
  const three = () =>
    [1, 2, 3].map((value): [string, Tensor] => [`p${value}`, tensor([value, -value], { device, requiresGrad: true })]);
  const late = (t: number) => t >= 4 && t % 3 !== 0;
  const give = ([[, early], [, second]]: readonly [string, Tensor][], t: number) => {
    early.grad = tensor([0.1 * t, -1 / t], { device });
    if (late(t)) second.grad = tensor([0.2 * t, 3 / t], { device });
  };

  test("a step whose upload is refused leaves what the next one needs", async () => {
    const run = async (refused: boolean) => {
      const parameters = three();
      using optimizer = new AdamW(parameters, { lr: 0.1 });
      const step = (t: number) => {
        give(parameters, t);
        optimizer.step();
        optimizer.zeroGrad();
      };
      step(1);
      if (refused) {
        const write = vi.spyOn(device, "write").mockImplementation((_storage, _data, dtype) => {
          if (dtype === "u32") throw new OutOfMemoryError("upload: refused");
        });
        expect(() => step(4)).toThrow("upload: refused");
        write.mockRestore();
        optimizer.zeroGrad();
      }
      // Takes the memory of the list of parameters, where that was given back.
      const others = Array.from({ length: 8 }, () => tensor([7, 7, 7, 7], { device }));
      step(2);
      for (const t of others) t.dispose();
      const values = await Promise.all(parameters.map(async ([, p]) => [...(await p.data())]));
      for (const [, p] of parameters) p.dispose();
      return values;
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test("a parameter counts the steps that it had a gradient in, as in PyTorch", async () => {
    const [beta1, beta2, lr] = [0.9, 0.999, 0.1];
    const parameters = three();
    using optimizer = new AdamW(parameters, { lr, weightDecay: 0 });
    const expected = parameters.map(([, p], i) => ({ p, at: [i + 1, -i - 1], m: [0, 0], v: [0, 0], count: 0 }));
    for (let t = 1; t <= 9; t++) {
      give(parameters, t);
      const gradients = [[0.1 * t, -1 / t], late(t) ? [0.2 * t, 3 / t] : null, null];
      for (const [k, state] of expected.entries()) {
        const g = gradients[k];
        if (!g) continue;
        state.count++;
        for (const i of [0, 1]) {
          state.m[i] = beta1 * state.m[i] + (1 - beta1) * g[i];
          state.v[i] = beta2 * state.v[i] + (1 - beta2) * g[i] ** 2;
          const [m, v] = [state.m[i] / (1 - beta1 ** state.count), state.v[i] / (1 - beta2 ** state.count)];
          state.at[i] -= (lr * m) / (Math.sqrt(v) + 1e-8);
        }
      }
      optimizer.step();
      optimizer.zeroGrad();
    }
    for (const { p, at } of expected)
      for (const [i, value] of (await p.data()).entries()) expect(Math.abs(value - at[i])).toBeLessThan(1e-6);
    for (const [, p] of parameters) p.dispose();
  });

  test("resumed from its state the bits are the same, whoever had a gradient so far", async () => {
    const [whole, resumed] = [three(), three()];
    using first = new AdamW(whole, { lr: 0.1 });
    const steps = (parameters: [string, Tensor][], optimizer: AdamW, from: number, to: number) => {
      for (let t = from; t <= to; t++) {
        give(parameters, t);
        optimizer.step();
        optimizer.zeroGrad();
      }
    };
    steps(whole, first, 1, 5);
    using second = new AdamW(resumed, { lr: 0.1 });
    for (const [name, t] of first.state()) (second.slot(name) as Tensor).write(await t.data());
    for (const [i, [, p]] of resumed.entries()) p.write(await whole[i][1].data());
    steps(whole, first, 6, 9);
    steps(resumed, second, 6, 9);
    for (const [i, [, p]] of resumed.entries()) expect(await p.data()).toEqual(await whole[i][1].data());
    for (const [, p] of [...whole, ...resumed]) p.dispose();
  });

  test("captured steps with other gradients each count their own", async (context) => {
    if (!device.binding.newRecording) context.skip("this device cannot replay");
    const [plain, captured] = [three(), three()];
    const step = (parameters: [string, Tensor][], optimizer: AdamW, both: boolean) =>
      scope(() => {
        const used = parameters.slice(0, both ? 2 : 1);
        for (const [, p] of used) sum(square(p)).backward();
        optimizer.step();
        optimizer.zeroGrad();
      });
    using first = new AdamW(plain, { lr: 0.1 });
    const order = [false, true, false, false, true, true];
    for (const both of order) step(plain, first, both);
    using second = new AdamW(captured, { lr: 0.1 });
    using one = capture(device, () => step(captured, second, false));
    using two = capture(device, () => step(captured, second, true));
    for (const both of order.slice(2)) (both ? two : one).replay();
    for (const [i, [, p]] of captured.entries()) expect(await p.data()).toEqual(await plain[i][1].data());
    for (const [, p] of [...plain, ...captured]) p.dispose();
  });
});
