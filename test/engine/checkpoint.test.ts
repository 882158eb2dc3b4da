import { afterAll, describe, expect, test } from "vitest";
import { checkpoint } from "../../engine/autograd/checkpoint.js";
import { gradients } from "../../engine/autograd/tape.js";
import type { Device } from "../../engine/device/device.js";
import { GradientError } from "../../engine/errors.js";
import { Initializer, Linear } from "../../engine/nn/index.js";
import { add, mul } from "../../engine/ops/binary.js";
import { dropout } from "../../engine/ops/dropout.js";
import { sum } from "../../engine/ops/reduce.js";
import { gelu, square, tanh } from "../../engine/ops/unary.js";
import { keep, scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

type Wrap = (f: (x: Tensor) => Tensor, x: Tensor) => Tensor;
const plain: Wrap = (f, x) => f(x);
const normal = (device: Device, shape: number[], seed: string, requiresGrad = false): Tensor => {
  const random = generator(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, () => random.normal()),
    { device, shape, requiresGrad },
  );
};

describe.each(["reference", "cpu", "cuda"] as const)("checkpoint on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  /** Four residual blocks with dropout and a weight that all share; gradients of everything, by `wrap` around each. */
  const train = async (wrap: Wrap, options: { inputGradient?: boolean; nested?: Wrap } = {}) => {
    const { inputGradient = true, nested = plain } = options;
    device.seed(7);
    const init = new Initializer(device, 3);
    const layers = Array.from({ length: 4 }, () => new Linear(init, 16, 16));
    const shared = keep(normal(device, [16], "shared", true));
    const x = keep(normal(device, [8, 16], "x", inputGradient));
    const branch = (layer: Linear) => (t: Tensor) => dropout(mul(gelu(layer.forward(t)), shared), 0.25);
    const loss = scope(() => {
      let y = x;
      for (const layer of layers) y = wrap((t) => add(t, nested(branch(layer), tanh(t))), y);
      const loss = sum(square(dropout(y, 0.1)));
      loss.backward();
      return loss;
    });
    const leaves = [x, shared, ...layers.flatMap((l) => [...l.parameters()])];
    const values = await Promise.all([loss, ...leaves.map((t) => t.grad)].map((t) => t?.data() ?? null));
    for (const t of [loss, ...leaves]) t.dispose();
    return values;
  };

  test("the same bits as without, dropout included", async () => {
    const without = await train(plain);
    expect(await train(checkpoint)).toEqual(without);
    expect(await train(plain, { nested: checkpoint }), "only the branches").toEqual(without);
    expect(await train(checkpoint, { nested: checkpoint }), "nested").toEqual(without);
  });

  test("parameters get gradients though the input asks for none", async () => {
    const without = await train(plain, { inputGradient: false });
    expect(without[1]).toBeNull();
    expect(await train(checkpoint, { inputGradient: false })).toEqual(without);
  });

  test("what a chain of functions holds until backward", () => {
    const held = (wrap: Wrap) => {
      using x = normal(device, [64, 64], "x", true);
      return scope(() => {
        const before = device.memory().live;
        let y = x;
        for (let i = 0; i < 4; i++) {
          const inner = y;
          // A scope frees what nothing holds, as in a function that lets go of its intermediate results.
          y = wrap((t) => scope(() => tanh(square(tanh(square(t))))), inner);
        }
        const live = device.memory().live - before;
        sum(y).backward();
        return live;
      });
    };
    const bytes = 64 * 64 * 4;
    // Each tanh saves its result, each square its input, which is a tanh's result or x.
    expect(held(plain)).toBe(8 * bytes);
    expect(held(checkpoint)).toBe(4 * bytes);
  });

  test("allocations return to the start", async () => {
    await train(checkpoint);
    const before = device.memory().allocations;
    await train(checkpoint, { nested: checkpoint });
    expect(device.memory().allocations).toBe(before);
  });

  test("gradients() leaves grad alone", async () => {
    using w = normal(device, [4], "w", true);
    using x = normal(device, [4], "x", true);
    const found = scope(() => gradients(sum(checkpoint((t) => mul(square(t), w), x)), [w, x]));
    expect([w.grad, x.grad]).toEqual([null, null]);
    const [dw, dx] = await Promise.all(found.map((t) => t?.data()));
    const [ws, xs] = await Promise.all([w.data(), x.data()]);
    expect(dw).toEqual(Float32Array.from(xs, (v) => Math.fround(v * v)));
    Array.from(dx as Float32Array).forEach((v, i) => {
      expect(v).toBeCloseTo(2 * xs[i] * ws[i], 5);
    });
    for (const t of found) t?.dispose();
  });

  test("a tensor with history that the function closes over", async () => {
    const run = async (wrap: Wrap) => {
      using a = normal(device, [6], "a", true);
      using b = normal(device, [6], "b", true);
      scope(() => {
        const context = tanh(b);
        const y = wrap((t) => mul(square(t), context), a);
        sum(mul(y, context)).backward();
      });
      return Promise.all([a, b].map((t) => (t.grad as Tensor).data()));
    };
    expect(await run(checkpoint)).toEqual(await run(plain));
  });

  test("a function that returns its input", async () => {
    using x = normal(device, [6], "x", true);
    scope(() => sum(checkpoint((t) => t, square(checkpoint((t) => t, x)))).backward());
    const [values, dx] = await Promise.all([x.data(), (x.grad as Tensor).data()]);
    expect(dx).toEqual(values.map((v) => 2 * v));
  });

  test("an input that is gone before backward", async () => {
    using x = normal(device, [6], "x", true);
    scope(() => {
      const y = square(x);
      const z = checkpoint((t) => square(t), y);
      y.dispose();
      sum(z).backward();
    });
    const [values, dx] = await Promise.all([x.data(), (x.grad as Tensor).data()]);
    Array.from(dx).forEach((v, i) => {
      expect(v).toBeCloseTo(4 * values[i] ** 3, 4);
    });
  });

  test("several results in an object, one twice, one of them unused: the gradients are the same", async () => {
    const both = async (wrapped: boolean) => {
      using x = keep(normal(device, [6], "x", true));
      const f = (t: Tensor) => {
        const y = tanh(t);
        return { first: square(y), more: [y, y, mul(y, t)] };
      };
      scope(() => {
        const { first, more } = wrapped ? checkpoint(f, x) : f(x);
        sum(add(mul(first, more[0]), more[1])).backward();
      });
      return Array.from((await (x.grad as Tensor).data()) as Float32Array);
    };
    expect(await both(true)).toEqual(await both(false));
  });

  test("nothing that wants a gradient: no history", () => {
    using x = normal(device, [6], "x");
    scope(() => expect(checkpoint((t) => square(t), x).tracked).toBe(false));
  });

  test("errors", () => {
    using x = normal(device, [6], "x", true);
    expect(() => checkpoint(() => ({ a: [1] }), x)).toThrow(
      new TypeError("checkpoint: the function returned object, not a Tensor."),
    );
    scope(() => {
      const y = square(x);
      const loss = sum(checkpoint((t) => square(t), y));
      y.write(new Float32Array(6));
      expect(() => loss.backward()).toThrow(
        new GradientError(
          `checkpoint: input 0, Tensor f32 [6] ${name}, was changed in place after it was saved for the backward pass. ` +
            "Change a copy instead.",
        ),
      );
    });
    let calls = 0;
    scope(() => {
      const loss = sum(checkpoint((t) => (calls++ ? sum(t) : square(t)), x));
      expect(() => loss.backward()).toThrow(
        `checkpoint: the function gave Tensor f32 [6] ${name} first and Tensor f32 [] ${name} in the backward pass. ` +
          "It must compute the same again.",
      );
    });
  });
});
