import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, describe, expect, test } from "vitest";
import { checkpoint } from "../../engine/autograd/checkpoint.js";
import { autocast } from "../../engine/dispatch/autocast.js";
import { Initializer, Linear } from "../../engine/nn/index.js";
import { mul } from "../../engine/ops/binary.js";
import { crossEntropy } from "../../engine/ops/cross-entropy.js";
import { dropout } from "../../engine/ops/dropout.js";
import { matmul } from "../../engine/ops/matmul.js";
import { sum } from "../../engine/ops/reduce.js";
import { reshape } from "../../engine/ops/reshape.js";
import { softmax } from "../../engine/ops/softmax.js";
import { topK } from "../../engine/ops/top-k.js";
import { exp, scale, square } from "../../engine/ops/unary.js";
import { AdamW } from "../../engine/optim/index.js";
import { keep, scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";
import { shortened } from "../support/simulated.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
/** Collections, each with the finalizers that it finds. */
async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("scope on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());
  const make = (...values: number[]) => tensor(values, { device });

  test("what is returned lives, the rest is freed", async () => {
    const before = device.memory().allocations;
    let gone: Tensor | null = null;
    const { first, rest } = scope(() => {
      gone = make(9);
      return { first: make(1), rest: [make(2), { deep: make(3) }] as const };
    });
    expect((gone as Tensor | null)?.disposed).toBe(true);
    expect(await Promise.all([first.item(), rest[0].item(), rest[1].deep.item()])).toEqual([1, 2, 3]);
    expect(device.memory().allocations).toBe(before + 3);
    for (const t of [first, rest[0], rest[1].deep]) t.dispose();
    expect(device.memory().allocations).toBe(before);
  });

  test("nested: an inner result belongs to the outer scope", () => {
    const before = device.memory().allocations;
    let inner: Tensor | null = null;
    scope(() => {
      inner = scope(() => scale(make(1, 2), 2));
      expect((inner as Tensor).disposed).toBe(false);
      expect(device.memory().allocations).toBe(before + 1);
    });
    expect((inner as Tensor | null)?.disposed).toBe(true);
    expect(device.memory().allocations).toBe(before);
  });

  test("keep", () => {
    const kept: Tensor[] = [];
    scope(() => {
      scope(() => {
        kept.push(keep(make(5)), keep(make(6)));
      });
    });
    for (const t of kept) {
      expect(t.disposed).toBe(false);
      t.dispose();
    }
  });

  test("the collector frees what its owner lost", async () => {
    const before = device.memory().live;
    for (let i = 0; i < 100; i++) {
      make(i);
      scope(() => keep(make(i)));
    }
    for (let i = 0; i < 20 && device.memory().live > before; i++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(device.memory().live).toBe(before);
  });

  describe("what the tape saved for a lost result goes too", () => {
    const layers = (x: Tensor) => {
      let y = x;
      for (let i = 0; i < 50; i++) y = softmax(reshape(mul(square(y), x), [2, 1, 3]));
      return y;
    };
    const inBf16 = (x: Tensor) => autocast("bf16", () => matmul(x, square(x), { transposeB: true }));
    test.each<[string, (x: Tensor) => Tensor | readonly Tensor[]]>([
      ["an output that is saved itself", (x) => softmax(x)],
      ["a chain, in one collection or two", layers],
      ["several outputs", (x) => Object.values(topK(x, 2))],
      ["a checkpoint", (x) => checkpoint((z) => exp(square(z)), square(x))],
      ["a checkpoint of its own input", (x) => checkpoint((z) => z, square(x))],
      ...(name === "webgpu" ? [] : [["casts of a region", inBf16] as [string, (x: Tensor) => Tensor]]),
    ])("%s", async (_, f) => {
      using x = tensor([[[1, 2, 3]], [[4, 5, 6]]], { device, requiresGrad: true });
      await collect();
      const before = device.memory();
      // In a function of its own: the frame of this one lives on over its await.
      const lose = () => void f(x);
      lose();
      expect(device.memory().live).toBeGreaterThan(before.live);
      await collect();
      expect(device.memory()).toMatchObject({ live: before.live, allocations: before.allocations });
    });

    test("a result that is held keeps its history: intermediates may go, the gradient stays right", async () => {
      using x = tensor([1, 2], { device, requiresGrad: true });
      const build = () => sum(square(square(x)));
      using y = build();
      await collect();
      y.backward();
      expect([...(await (x.grad as Tensor).data())]).toEqual([4, 32]);
    });
  });

  test("an error frees too", () => {
    const before = device.memory().allocations;
    expect(() =>
      scope(() => {
        square(make(1, 2, 3));
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(device.memory().allocations).toBe(before);
  });

  test("a Promise is refused", () => {
    const before = device.memory().allocations;
    expect(() => scope((async () => make(1)) as never)).toThrow(
      new TypeError("scope: the function returned a Promise. A scope is synchronous; await outside of it."),
    );
    expect(device.memory().allocations).toBe(before);
  });

  test("views share memory; the last one frees it", async () => {
    const before = device.memory().allocations;
    const x = make(1, 2);
    const y = reshape(x, [2, 1]);
    x.dispose();
    x.dispose();
    expect(device.memory().allocations).toBe(before + 1);
    expect([...(await y.data())]).toEqual([1, 2]);
    y.dispose();
    expect(device.memory().allocations).toBe(before);
  });

  test.skipIf(shortened)("training holds the same bytes at every step", { timeout: 120_000 }, async () => {
    const init = new Initializer(device, 1);
    const [first, second] = [new Linear(init, 8, 16), new Linear(init, 16, 4)];
    const parameters = [...first.namedParameters("first"), ...second.namedParameters("second")];
    using optimizer = new AdamW(parameters, { lr: 1e-2 });
    const step = (i: number): Tensor =>
      scope(() => {
        const x = tensor(
          Float32Array.from({ length: 32 }, (_, k) => Math.sin(k * k + 0.01 * i)),
          { device, shape: [4, 8] },
        );
        const target = tensor(Int32Array.of(0, 1, 2, 3), { device });
        const hidden = dropout(first.forward(x, "gelu"), 0.1);
        const loss = crossEntropy(second.forward(hidden), target);
        loss.backward();
        optimizer.step();
        optimizer.zeroGrad();
        return loss;
      });
    // The first step makes the moments, the second pools what the first took.
    for (const i of [0, 1]) step(i).dispose();
    const { live, allocations, pooled } = device.memory();
    const losses: number[] = [];
    for (let i = 1; i <= 1000; i++) {
      const loss = step(i % 5);
      if (i % 100 === 0) losses.push(await loss.item());
      loss.dispose();
      expect(device.memory().live).toBe(live);
    }
    expect(device.memory()).toMatchObject({ live, allocations, pooled });
    expect(losses.at(-1)).toBeLessThan(0.1);
    for (const [, p] of parameters) p.dispose();
  });

  test("a result outside of every scope is its owner's", () => {
    const before = device.memory().allocations;
    using x = make(1, 2);
    using y = sum(x);
    expect(y.disposed).toBe(false);
    expect(device.memory().allocations).toBe(before + 2);
  });
});
