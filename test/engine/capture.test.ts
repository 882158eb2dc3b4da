import { afterAll, describe, expect, test } from "vitest";
import { checkpoint } from "../../engine/autograd/checkpoint.js";
import { capture } from "../../engine/device/capture.js";
import { CaptureError, DisposedError } from "../../engine/errors.js";
import { Initializer, Linear } from "../../engine/nn/index.js";
import { crossEntropy } from "../../engine/ops/cross-entropy.js";
import { dropout } from "../../engine/ops/dropout.js";
import { zeros } from "../../engine/ops/fill.js";
import { layerNorm } from "../../engine/ops/layer-norm.js";
import { sum } from "../../engine/ops/reduce.js";
import { scale, square } from "../../engine/ops/unary.js";
import { AdamW, clipGradNorm, type Optimizer, SGD } from "../../engine/optim/index.js";
import { scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

const BATCH = 6;
const WIDTH = 10;

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("capture on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  const batch = (i: number) => {
    const random = generator(`batch ${i}`);
    return Float32Array.from({ length: BATCH * WIDTH }, () => random.normal());
  };

  type Make = (parameters: [string, Tensor][]) => Optimizer;
  const adamw: Make = (p) => new AdamW(p, { lr: 1e-2 });

  /** Losses and final weights of 12 steps on 12 batches; one step of another random op between the steps. */
  const train = async (captured: boolean, rate: number, make: Make = adamw) => {
    device.seed(11);
    const init = new Initializer(device, 5);
    using first = new Linear(init, WIDTH, 16);
    using second = new Linear(init, 16, 3);
    const parameters = [...first.namedParameters("first"), ...second.namedParameters("second")];
    using optimizer = make(parameters);
    using x = zeros([BATCH, WIDTH], { device });
    using target = tensor(Int32Array.of(0, 1, 2, 0, 1, 2), { device });
    const step = () => {
      const hidden = checkpoint((t) => dropout(first.forward(t, "gelu"), rate), x);
      const loss = crossEntropy(second.forward(dropout(hidden, rate)), target);
      loss.backward();
      optimizer.step(
        clipGradNorm(
          parameters.map(([, p]) => p),
          0.5,
        ),
      );
      optimizer.zeroGrad();
      return loss;
    };
    const losses: number[] = [];
    let replay: ReturnType<typeof capture<Tensor>> | null = null;
    for (let i = 0; i < 12; i++) {
      x.write(batch(i));
      optimizer.lr = 1e-2 / (i + 1);
      if (!captured) {
        using loss = scope(step);
        losses.push(await loss.item());
      } else if (!replay) {
        replay = capture(device, step);
        losses.push(await replay.result.item());
      } else losses.push(await replay.replay().item());
      scope(() => void dropout(x, 0.5));
    }
    const weights = await Promise.all(parameters.map(([, p]) => p.data()));
    const state = { losses, weights, steps: optimizer.steps, random: device.randomState };
    replay?.dispose();
    return state;
  };

  test("the bits of calling the step, with AdamW, clipping and a changing rate", async () => {
    const eager = await train(false, 0);
    expect(await train(true, 0)).toEqual(eager);
    expect(eager.steps).toBe(12);
    expect(new Set(eager.losses).size).toBe(12);
  });

  test("the same with SGD", async () => {
    const make: Make = (p) => new SGD(p, { lr: 0.1, momentum: 0.9 });
    expect(await train(true, 0, make)).toEqual(await train(false, 0, make));
  });

  test("with dropout too: replays go on in the random stream", async () => {
    expect(await train(true, 0.3)).toEqual(await train(false, 0.3));
  });

  test("masks differ from replay to replay, and return with the seed", async () => {
    using x = tensor(new Float32Array(256).fill(1), { device });
    device.seed(3);
    using step = capture(device, () => dropout(x, 0.5));
    const masks = [await step.result.data(), await step.replay().data(), await step.replay().data()].map(String);
    expect(new Set(masks).size).toBe(3);
    device.seed(3);
    expect(String(await step.replay().data())).toBe(masks[0]);
    device.seed(4);
    expect(masks).not.toContain(String(await step.replay().data()));
  });

  test("its memory is its own, constant, and goes back at the end", async () => {
    using x = tensor(new Float32Array(4096).fill(2), { device });
    const before = device.memory();
    const step = capture(device, () => {
      const y = square(scale(scale(x, 2), 3));
      return sum(y);
    });
    const { live, allocations } = device.memory();
    // Three results of 16 KiB and what sum needs; they could be two if the scope freed as it went.
    expect(live - before.live).toBeGreaterThanOrEqual(3 * 4096 * 4);
    for (let i = 0; i < 20; i++) {
      step.replay();
      // Other work must not get memory that the replay writes to.
      using other = scope(() => scale(x, -1));
      step.replay();
      expect((await other.data()).every((v) => v === -2)).toBe(true);
      expect(await step.result.item()).toBe(4096 * 144);
    }
    expect(device.memory()).toMatchObject({ live, allocations });
    step.dispose();
    step.dispose();
    expect(step.result.disposed).toBe(true);
    expect(device.memory()).toMatchObject({ live: before.live, allocations: before.allocations });
    expect(() => step.replay()).toThrow(new DisposedError("replay: the captured step was disposed. Capture it again."));
  });

  test("what is freed within the step is used again within it", () => {
    using x = tensor(new Float32Array(4096), { device });
    const before = device.memory().live;
    using step = capture(device, () => {
      let y = scale(x, 2);
      for (let i = 0; i < 30; i++) {
        const next = scale(y, 2);
        y.dispose();
        y = next;
      }
      return y;
    });
    expect(device.memory().live - before).toBe(2 * 4096 * 4);
    step.replay();
  });

  test("inputs keep their place after their owner lets go", async () => {
    const x = tensor([1, 2, 3], { device });
    using step = capture(device, () => scale(x, 10));
    x.dispose();
    using other = tensor([7, 7, 7], { device });
    expect([...(await step.replay().data())]).toEqual([10, 20, 30]);
    expect([...(await other.data())]).toEqual([7, 7, 7]);
  });

  test("the result of one is the input of another, also after the first is gone", async () => {
    using x = tensor([1, 2], { device });
    const first = capture(device, () => scale(x, 2));
    using second = capture(device, () => scale(first.result, 5));
    x.write([3, 4]);
    first.replay();
    expect([...(await second.replay().data())]).toEqual([30, 40]);
    first.dispose();
    using other = tensor([7, 7], { device });
    expect([...(await second.replay().data())]).toEqual([30, 40]);
    expect([...(await other.data())]).toEqual([7, 7]);
  });

  test("scratch memory that grows later stays in place", async () => {
    const C = 64;
    const normed = (rows: number) => {
      const random = generator(`rows ${rows}`);
      const x = tensor(
        Float32Array.from({ length: rows * C }, () => random.normal()),
        { device, shape: [rows, C] },
      );
      const weight = tensor(new Float32Array(C).fill(1), { device, requiresGrad: true });
      const bias = tensor(new Float32Array(C), { device, requiresGrad: true });
      const step = () => {
        weight.grad?.dispose();
        weight.grad = null;
        bias.grad?.dispose();
        bias.grad = null;
        sum(square(layerNorm(x, weight, bias))).backward();
        return scale(weight.grad as unknown as Tensor, 1);
      };
      return { step, all: [x, weight, bias] };
    };
    const small = normed(200);
    using step = capture(device, small.step);
    const expected = await step.result.data();
    const large = normed(20_000);
    scope(() => void large.step());
    expect(await step.replay().data()).toEqual(expected);
    for (const t of [...small.all, ...large.all]) t.dispose();
  });

  test("a saved tensor that a replay overwrites", () => {
    using x = tensor([1, 2], { device });
    using step = capture(device, () => scale(x, 2));
    using w = tensor([1, 1], { device, requiresGrad: true });
    scope(() => {
      const loss = sum(square(scale(w, 1)));
      step.replay();
      loss.backward();
      step.result.requiresGrad = true;
      const late = sum(square(step.result));
      step.replay();
      expect(() => late.backward()).toThrow(/was changed in place after it was saved/);
    });
  });

  const text = (what: string) =>
    `capture: ${what} inside a captured step: it would not happen again in a replay. Do it before, into a tensor that the ` +
    "step reads.";
  test.each<[string, string, (x: Tensor) => unknown]>([
    ["an upload", "an upload", () => tensor([1, 2], { device })],
    ["a write", "an upload", (x) => x.write([1, 2])],
    ["a seed", "seed()", () => device.seed(1)],
    ["a read, even where nobody waits for it", "a read", (x) => void x.data().catch(() => {})],
    ["finish", "finish()", () => void device.finish().catch(() => {})],
    ["a capture", "another capture", (x) => capture(device, () => scale(x, 1))],
  ])("%s inside is an error", async (_title, what, act) => {
    using x = tensor([5, 6], { device });
    const before = device.memory();
    const f = () =>
      capture(device, () => {
        const y = scale(x, 2);
        act(x);
        return y;
      });
    expect(f).toThrow(new CaptureError(text(what)));
    expect(device.memory()).toMatchObject({ live: before.live, allocations: before.allocations });
    using y = scope(() => scale(x, 2));
    expect([...(await y.data())]).toEqual([10, 12]);
  });

  test("a step that returns a Promise", () => {
    expect(() => capture(device, (async () => {}) as never)).toThrow(
      new TypeError("scope: the function returned a Promise. A scope is synchronous; await outside of it."),
    );
  });
});
