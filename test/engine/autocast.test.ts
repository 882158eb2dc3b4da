import { afterAll, describe, expect, test } from "vitest";
import { checkpoint } from "../../engine/autograd/checkpoint.js";
import { noGrad } from "../../engine/autograd/recording.js";
import { hostInputs } from "../../engine/check/fill.js";
import { runOp } from "../../engine/check/run-op.js";
import { capture } from "../../engine/device/capture.js";
import { autocast } from "../../engine/dispatch/autocast.js";
import type { Op, Outputs } from "../../engine/dispatch/define-op.js";
import { isFloat } from "../../engine/dtype.js";
import { DTypeError, OptionError } from "../../engine/errors.js";
import { Initializer, LayerNorm, Linear, LoraLinear } from "../../engine/nn/index.js";
import { add, mul } from "../../engine/ops/binary.js";
import { cast } from "../../engine/ops/cast.js";
import { concat } from "../../engine/ops/concat.js";
import { crossEntropy } from "../../engine/ops/cross-entropy.js";
import { dropout } from "../../engine/ops/dropout.js";
import { matmul } from "../../engine/ops/matmul.js";
import { sum } from "../../engine/ops/reduce.js";
import { scale, square } from "../../engine/ops/unary.js";
import { scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import type { FloatDType } from "../../kernels/contract.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { countLaunches } from "../support/launches.js";
import { ops, tables } from "../support/ops.js";
import { generator } from "../support/random.js";

/** Ops that leave their inputs' type; every other one keeps it. */
const LOW = new Set([
  ...["matmul", "loraMatmul", "attention", "attentionPacked"],
  ...["groupedGemm", "loraGroupedGemm", "expertMlp", "quantizedMatmul"],
]);
const FULL = new Set([
  ...["softmax", "logSoftmax", "crossEntropy", "layerNorm", "rmsNorm", "l2Normalize", "sum", "mean"],
  ...["exp", "log", "rsqrt", "square", "reciprocal", "pow"],
]);

type Run = (f: () => Tensor) => Tensor;

/** Half a unit in the last place of 1: what one rounding of a value near 1 costs. */
const HALF_ULP = { bf16: 2 ** -9, f16: 2 ** -12 } as const;

const at = (low: FloatDType, op: Op): Op =>
  Object.assign((inputs: Parameters<Op>[0], options: unknown) => autocast<Outputs>(low, () => op(inputs, options)), {
    opName: op.opName,
    inputs: op.inputs,
    differentiable: op.differentiable,
  });

describe.each(["reference", "cpu", "cuda"] as const)("autocast on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  const normal = (shape: number[], seed: string, requiresGrad = false): Tensor => {
    const random = generator(seed);
    const size = shape.reduce((a, b) => a * b, 1);
    return tensor(
      Float32Array.from({ length: size }, () => random.normal()),
      { device, shape, requiresGrad },
    );
  };
  const launches = (f: () => unknown) => countLaunches(device, () => scope(() => void f()));

  describe.each(["bf16", "f16"] as const)("%s", (low) => {
    test.each(tables.map(({ table }) => table))("the type of $op", async ({ op: opName, cases }) => {
      const op = ops.get(opName) as Op;
      const c = cases.find(({ inputs }) => Object.values(inputs).some((spec) => !("dtype" in spec))) ?? cases[0];
      // Routing takes f32 alone.
      const isFixed = Object.values(op.inputs).every(({ kind }) => kind !== "float");
      for (const given of isFixed ? (["f32"] as const) : (["f32", low] as const)) {
        const inputs = hostInputs(c, given);
        const { dtypes } = await runOp(device, op, c, inputs, false);
        const chosen = LOW.has(opName) ? low : FULL.has(opName) ? "f32" : null;
        const before = device.memory().allocations;
        const got = await runOp(device, at(low, op), c, inputs, op.differentiable);
        expect(got.dtypes, `of ${given} inputs`).toEqual(dtypes.map((t) => (isFloat(t) ? (chosen ?? t) : t)));
        expect(device.memory().allocations, "allocations left behind").toBe(before);
      }
    });

    test("inputs of several types meet in the widest", () => {
      scope(() => {
        const x = normal([4], "x");
        const half = cast(x, low);
        const other = cast(x, low === "bf16" ? "f16" : "bf16");
        expect(() => add(x, half)).toThrow(DTypeError);
        autocast(low, () => {
          expect([add(x, half), mul(half, half), concat([half, other])].map((t) => t.dtype)).toEqual([
            "f32",
            low,
            "f32",
          ]);
        });
      });
    });

    /** Three residual layers that end in one loss: every kind of rule, one weight used by all, an adapter, dropout. */
    const train = async (
      run: Run,
      { wrap = (f, ...x) => f(...x), around = (f) => f() }: { wrap?: typeof checkpoint; around?: Run } = {},
    ) => {
      device.seed(7);
      const init = new Initializer(device, 3);
      const layers = Array.from({ length: 3 }, () => new Linear(init, 16, 16));
      const lora = new LoraLinear(init, new Linear(init, 16, 16), { r: 4, alpha: 8, dropout: 0.1 });
      lora.lora_B.default.weight.write(new Float32Array(64).map((_, i) => Math.sin(i)));
      using shared = new Linear(init, 16, 16);
      using norm = new LayerNorm(init, 16);
      using x = normal([8, 16], "x", true);
      using target = tensor(Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7), { device });
      const step = () => {
        const loss = run(() => {
          let y = x;
          for (const layer of layers)
            y = wrap((t) => {
              const hidden = dropout(layer.forward(norm.forward(t), "gelu"), 0.25);
              return add(t, shared.forward(lora.forward(hidden)));
            }, y);
          return crossEntropy(y, target);
        });
        loss.backward();
        return loss;
      };
      const loss = scope(() => around(step));
      const parameters = [...layers, lora, shared, norm].flatMap((m) => [...m.parameters()]);
      const leaves = [x, ...parameters].filter((t) => t.requiresGrad);
      const types = new Set(leaves.flatMap((t) => [t.dtype, t.grad?.dtype]));
      const values = await Promise.all([loss, ...leaves.map((t) => t.grad as Tensor)].map((t) => t.data()));
      for (const t of [loss, ...parameters]) t.dispose();
      return { types: [...types], values };
    };
    const under: Run = (f) => autocast(low, f);

    test("gradients follow those in f32, and stay f32 with their parameters", async () => {
      const full = await train((f) => f());
      const mixed = await train(under);
      expect(mixed.types).toEqual(["f32"]);
      // Some ten roundings stand between loss and input, each of half a unit; they add up as a random walk does.
      for (const [i, values] of mixed.values.entries()) {
        const expected = full.values[i];
        const scaleOf = Math.max(...expected.map(Math.abs));
        expectClose(
          `value ${i}`,
          values.map((v) => v / scaleOf),
          expected.map((v) => v / scaleOf),
          8 * HALF_ULP[low],
        );
      }
      expect(mixed.values[0]).not.toEqual(full.values[0]);
    });

    test("activation checkpointing: the same bits, wherever backward is called", async () => {
      const plain = await train(under);
      expect(await train(under, { wrap: checkpoint })).toEqual(plain);
      expect(await train(under, { wrap: checkpoint, around: under }), "inside the region").toEqual(plain);
      const other: Run = (f) => autocast(low === "bf16" ? "f16" : "bf16", f);
      expect(await train(under, { wrap: checkpoint, around: other }), "inside another").toEqual(plain);
    });

    test("allocations return to the start", async () => {
      await train(under, { wrap: checkpoint });
      const before = device.memory().allocations;
      await train(under, { wrap: checkpoint });
      expect(device.memory().allocations).toBe(before);
      expect(() =>
        scope(() =>
          autocast(low, () => {
            using w = normal([4, 4], "w", true);
            matmul(w, w);
            throw new RangeError("thrown inside");
          }),
        ),
      ).toThrow("thrown inside");
      expect(device.memory().allocations).toBe(before);
    });

    const label = `cast/to-${low}`;

    test("a parameter is cast once in a region, and again after a change in place", async () => {
      using w = normal([4, 4], "w", true);
      using x = tensor([[1, 0, 0, 0]], { device });
      const use = () => autocast(low, () => matmul(x, w));
      // The input is another cast: nothing holds it from one product to the next where nothing is recorded.
      const inputs = (products: number) => products;
      expect(launches(() => autocast(low, () => [use(), use(), use()]))[label]).toBe(1 + 1);
      expect(launches(() => noGrad(() => autocast(low, () => [use(), use(), use()])))[label]).toBe(1 + inputs(3));
      expect(launches(() => [use(), use()])[label], "two regions").toBe(2 + inputs(2));
      const { allocations } = device.memory();
      const values = scope(() =>
        autocast(low, () => {
          const before = use();
          w.write(new Float32Array(16).fill(2));
          return [before, use()];
        }),
      );
      expect(await values[1].data()).toEqual(new Float32Array(4).fill(2));
      expect(await values[0].data()).not.toEqual(new Float32Array(4).fill(2));
      for (const t of values) t.dispose();
      expect(device.memory().allocations).toBe(allocations);
    });

    test("a cast of noGrad serves a recorded use too", async () => {
      using w = normal([4, 4], "w", true);
      using x = normal([2, 4], "x");
      scope(() =>
        autocast(low, () => {
          noGrad(() => matmul(x, w));
          sum(matmul(x, w)).backward();
        }),
      );
      expect((w.grad as Tensor).dtype).toBe("f32");
    });

    test("regions nest; f32 inside is f32 throughout", () => {
      using w = normal([4, 4], "w", true);
      scope(() =>
        autocast(low, () => {
          const half = matmul(w, w);
          expect([half.dtype, autocast("f32", () => matmul(half, w)).dtype, matmul(w, w).dtype]).toEqual([
            low,
            "f32",
            low,
          ]);
          const counts = launches(() => autocast(low, () => matmul(w, w)));
          expect(counts[label], "the inner region shares the casts of the outer").toBeUndefined();
        }),
      );
      scope(() => expect(matmul(w, w).dtype).toBe("f32"));
    });

    test("a captured step casts anew in each replay", async () => {
      using w = tensor([[1]], { device, requiresGrad: true });
      using x = tensor([[3]], { device });
      const before = device.memory().allocations;
      const steps = [
        () => capture(device, () => autocast(low, () => scale(matmul(x, w), 2))),
        () =>
          autocast(low, () => {
            scope(() => void matmul(x, w));
            return capture(device, () => scale(matmul(x, w), 2));
          }),
      ];
      for (const make of steps) {
        w.write([4]);
        using step = make();
        expect(step.result.dtype).toBe(low);
        expect(await step.result.data()).toEqual(Float32Array.of(24));
        w.write([5]);
        expect(await step.replay().data()).toEqual(Float32Array.of(30));
      }
      expect(device.memory().allocations).toBe(before);
    });
  });

  test("in f32 it changes nothing", async () => {
    using w = normal([4, 4], "w", true);
    const run = async (f: (g: () => Tensor) => Tensor) => {
      using y = scope(() => f(() => sum(square(matmul(w, w)))));
      return y.data();
    };
    expect(await run((g) => autocast("f32", g))).toEqual(await run((g) => g()));
    expect(launches(() => autocast("f32", () => matmul(w, w)))).toEqual({ "matmul/forward": 1 });
  });

  test.each(["f64", "i32", "float16"])("%s is no type to compute in", (dtype) => {
    expect(() => autocast(dtype as FloatDType, () => 1)).toThrow(
      new OptionError(`autocast: "${dtype}" is no floating type. Known: f32, bf16, f16.`),
    );
  });

  test("an asynchronous function is an error", () => {
    expect(() => autocast("bf16", (async () => {}) as never)).toThrow(
      new TypeError("autocast: the function returned a Promise. A region is synchronous; await outside of it."),
    );
  });
});
