import { afterAll, describe, expect, test } from "vitest";
import { capture } from "../../engine/device/capture.js";
import { autocast } from "../../engine/dispatch/autocast.js";
import { OptionError } from "../../engine/errors.js";
import { Initializer, Linear } from "../../engine/nn/index.js";
import { mean } from "../../engine/ops/reduce.js";
import { square } from "../../engine/ops/unary.js";
import {
  AdamW,
  clipGradNorm,
  GradScaler,
  type GradScalerOptions,
  type Optimizer,
  SGD,
} from "../../engine/optim/index.js";
import { scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";
import { countLaunches } from "../support/launches.js";
import { generator } from "../support/random.js";

const BATCH = 4;
const WIDTH = 8;

/** Beyond the largest f16: the products of such a batch overflow. */
const TOO_LARGE = 1e6;

type Make = (parameters: [string, Tensor][]) => Optimizer;
const OPTIMISERS: Record<string, Make> = {
  AdamW: (p) => new AdamW(p, { lr: 1e-2 }),
  SGD: (p) => new SGD(p, { lr: 0.1, momentum: 0.9 }),
};

describe.each(["reference", "cpu", "cuda"] as const)("GradScaler on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  const batch = (i: number, factor = 1) => {
    const random = generator(`batch ${i}`);
    return Float32Array.from({ length: BATCH * WIDTH }, () => factor * random.normal());
  };

  /** A small regression in `type`, its steps with a scaler or without. */
  const model = (make: Make, options: GradScalerOptions | null, type: "f32" | "f16" = "f16", maxNorm?: number) => {
    const init = new Initializer(device, 5);
    const layers = [new Linear(init, WIDTH, 16), new Linear(init, 16, 3)];
    const parameters = layers.flatMap((layer, i) => [...layer.namedParameters(`${i}`)]);
    const tensors = parameters.map(([, p]) => p);
    const optimizer = make(parameters);
    const scaler = options && new GradScaler(device, options);
    const x = tensor(new Float32Array(BATCH * WIDTH), { device, shape: [BATCH, WIDTH] });
    const step = () => {
      const loss = autocast(type, () => mean(square(layers.reduce((y, layer) => layer.forward(y, "gelu"), x))));
      (scaler?.scale(loss) ?? loss).backward();
      const plain = () => (maxNorm ? clipGradNorm(tensors, maxNorm) : null);
      optimizer.step(scaler ? scaler.unscale(tensors, { maxNorm }) : plain());
      scaler?.update();
      optimizer.zeroGrad();
      return loss;
    };
    const run = (values: Float32Array) => {
      x.write(values);
      scope(step).dispose();
    };
    const all = () => [...tensors, ...optimizer.state().values(), ...(scaler?.state().values() ?? [])];
    const read = () => Promise.all(all().map((t) => t.data()));
    return {
      ...{ optimizer, scaler: scaler as GradScaler, x, step, run, all, read, tensors },
      [Symbol.dispose]() {
        for (const t of [x, ...tensors]) t.dispose();
        optimizer.dispose();
        scaler?.dispose();
      },
    };
  };

  describe.each(Object.entries(OPTIMISERS))("%s", (_name, make) => {
    test("a power of two scales without a trace in f32", async () => {
      using plain = model(make, null, "f32");
      using scaled = model(make, {}, "f32");
      for (let i = 0; i < 4; i++) for (const m of [plain, scaled]) m.run(batch(i));
      const expected = await plain.read();
      expect((await scaled.read()).slice(0, expected.length)).toEqual(expected);
    });

    test.each([TOO_LARGE, Number.NaN])("gradients of a batch times %d change only the scale", async (factor) => {
      using disturbed = model(make, { initScale: 256 });
      using calm = model(make, { initScale: 128 });
      const start = await disturbed.tensors[0].data();
      disturbed.run(batch(0, factor));
      expect(await disturbed.tensors[0].data(), "the first step is skipped").toEqual(start);
      expect(await disturbed.scaler.report()).toEqual({ scale: 128, skipped: 1 });
      for (let i = 0; i < 3; i++) for (const m of [disturbed, calm]) m.run(batch(i));
      const weights = async (m: typeof calm) => (await m.read()).slice(0, -2);
      expect(await weights(disturbed), "moments and bias corrections too").toEqual(await weights(calm));
      expect(await disturbed.tensors[0].data()).not.toEqual(start);
    });

    test("the scale grows after good steps in a row", async () => {
      using m = model(make, { initScale: 64, growthInterval: 3 });
      const scales: number[] = [];
      for (const factor of [1, 1, TOO_LARGE, 1, 1, 1, 1]) {
        m.run(batch(0, factor));
        scales.push((await m.scaler.report()).scale);
      }
      expect(scales).toEqual([64, 64, 32, 32, 32, 64, 64]);
    });

    test("a captured step gives the bits of the steps themselves, skipped ones included", async () => {
      using eager = model(make, { growthInterval: 2 }, "f16", 0.1);
      using captured = model(make, { growthInterval: 2 }, "f16", 0.1);
      const batches = [1, 1, TOO_LARGE, 1, 1, 1].map((factor, i) => batch(i, factor));
      for (const values of batches) eager.run(values);
      captured.x.write(batches[0]);
      using replay = capture(device, captured.step);
      for (const values of batches.slice(1)) {
        captured.x.write(values);
        replay.replay();
      }
      expect(await captured.read()).toEqual(await eager.read());
      expect(await eager.scaler.report()).toMatchObject({ skipped: 1 });
    });

    test("restored state goes on with the same bits", async () => {
      using whole = model(make, { growthInterval: 2 });
      using first = model(make, { growthInterval: 2 });
      using second = model(make, { growthInterval: 2 });
      const batches = [1, TOO_LARGE, 1, 1, 1].map((factor, i) => batch(i, factor));
      for (const values of batches) whole.run(values);
      for (const values of batches.slice(0, 3)) first.run(values);
      for (const [i, p] of second.tensors.entries()) p.write(await first.tensors[i].data());
      for (const part of ["optimizer", "scaler"] as const)
        for (const [key, t] of first[part].state()) (second[part].slot(key) as Tensor).write(await t.data());
      for (const values of batches.slice(3)) second.run(values);
      expect(await second.read()).toEqual(await whole.read());
    });
  });

  test("clipping sees gradients without their scale", async () => {
    using plain = model(OPTIMISERS.SGD, null, "f32", 0.01);
    using scaled = model(OPTIMISERS.SGD, {}, "f32", 0.01);
    for (let i = 0; i < 3; i++) for (const m of [plain, scaled]) m.run(batch(i));
    const expected = await plain.read();
    // The factor itself is rounded to f32 twice.
    for (const [i, values] of (await scaled.read()).slice(0, expected.length).entries())
      for (const [k, v] of values.entries()) expect(v).toBeCloseTo(expected[i][k], 6);
  });

  test("nothing waits for the device within a step, and nothing is left behind", () => {
    using m = model(OPTIMISERS.AdamW, {});
    m.run(batch(0));
    const before = device.memory().allocations;
    const counts = countLaunches(device, () => scope(m.step).dispose());
    expect(counts).toMatchObject({ "loss-scale/unscale": 1, "loss-scale/next": 1, "adamw/advance": 1 });
    expect(device.memory().allocations).toBe(before);
  });

  test.each<[GradScalerOptions, string]>([
    [{ initScale: 0 }, "GradScaler: initScale 0 is not a positive number."],
    [{ growthFactor: 1 }, "GradScaler: growthFactor 1 is not above 1."],
    [{ backoffFactor: 1 }, "GradScaler: backoffFactor 1 is not between 0 and 1."],
    [{ growthInterval: 0.5 }, "GradScaler: growthInterval 0.5 is not a whole number from 1 on."],
  ])("%o", (options, message) => {
    expect(() => new GradScaler(device, options)).toThrow(new OptionError(message));
  });

  test("a largest norm of 0", () => {
    using m = model(OPTIMISERS.SGD, {});
    expect(() => m.scaler.unscale(m.tensors, { maxNorm: 0 })).toThrow(
      new OptionError("GradScaler: maxNorm 0 is not above 0."),
    );
  });
});
