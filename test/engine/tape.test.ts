import { afterAll, describe, expect, test } from "vitest";
import { noGrad } from "../../engine/autograd/recording.js";
import { gradients } from "../../engine/autograd/tape.js";
import type { Device } from "../../engine/device/device.js";
import { GradientError } from "../../engine/errors.js";
import { add, mul, sub } from "../../engine/ops/binary.js";
import { concat } from "../../engine/ops/concat.js";
import { linear, matmul } from "../../engine/ops/matmul.js";
import { sum } from "../../engine/ops/reduce.js";
import { reshape } from "../../engine/ops/reshape.js";
import { split } from "../../engine/ops/slice.js";
import { topK } from "../../engine/ops/top-k.js";
import { scale, square, tanh } from "../../engine/ops/unary.js";
import { scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";

const leaf = (device: Device, values: number[]) => tensor(values, { device, requiresGrad: true });
/** Small whole numbers: every result below is exact. */
const list = async (t: Tensor | null) => t && [...(await t.data())];

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("tape on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  test("a diamond", async () => {
    using x = leaf(device, [1, 2, 3]);
    // y = x², z = (y + 2y) y = 3 x⁴
    scope(() => {
      const y = square(x);
      sum(mul(add(y, scale(y, 2)), y)).backward();
    });
    expect(await list(x.grad)).toEqual([12, 96, 324]);
  });

  test("one tensor as both inputs", async () => {
    using x = leaf(device, [1, -2, 3]);
    scope(() => sum(add(x, x)).backward());
    expect(await list(x.grad)).toEqual([2, 2, 2]);
    using y = leaf(device, [1, -2, 3]);
    scope(() => sum(mul(y, y)).backward());
    expect(await list(y.grad)).toEqual([2, -4, 6]);
    using z = leaf(device, [1, -2, 3]);
    scope(() => sum(sub(add(z, z), z)).backward());
    expect(await list(z.grad)).toEqual([1, 1, 1]);
    using a = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { device, requiresGrad: true },
    );
    // d/dA Σ AA = row sums of Aᵀ..: dA[i,j] = Σ_k A[j,k] + Σ_k A[k,i]; the third use makes the first two add in place.
    scope(() => sum(add(matmul(a, a), scale(a, 10))).backward());
    expect(await list(a.grad)).toEqual([10 + 3 + 4, 10 + 7 + 4, 10 + 3 + 6, 10 + 7 + 6]);
  });

  test("a leaf that is gone gets no gradient, and keeps no memory", () => {
    const before = device.memory().live;
    scope(() => {
      const x = leaf(device, [1, 2]);
      const loss = sum(square(x));
      x.dispose();
      loss.backward();
    });
    expect(device.memory().live).toBe(before);
  });

  test("noGrad refuses a Promise", () => {
    expect(() => noGrad((async () => 1) as never)).toThrow(
      new TypeError("noGrad: the function returned a Promise. It is synchronous; await outside of it."),
    );
  });

  test("gradients that ops pass on unchanged are not mixed up", async () => {
    using a = leaf(device, [1, 2]);
    using b = leaf(device, [3, 4]);
    scope(() => {
      const c = add(a, b);
      // dc reaches a, b, and through the square also a alone.
      sum(add(add(c, square(a)), reshape(scale(reshape(b, [2, 1]), 5), [2]))).backward();
    });
    expect(await list(a.grad)).toEqual([1 + 2, 1 + 4]);
    expect(await list(b.grad)).toEqual([6, 6]);
    // Their memory is their own: a change of one shows in one.
    (a.grad as Tensor).write([0, 0]);
    expect(await list(b.grad)).toEqual([6, 6]);
    using c = leaf(device, [1, 2]);
    using d = leaf(device, [3, 4]);
    scope(() => sum(add(c, d)).backward());
    (c.grad as Tensor).write([7, 7]);
    expect(await list(d.grad)).toEqual([1, 1]);
  });

  test("outputs that nobody used", async () => {
    using x = leaf(device, [5, 1, 4]);
    scope(() => sum(split(x, [1, 2])[1]).backward());
    expect(await list(x.grad)).toEqual([0, 1, 1]);
    using y = leaf(device, [5, 1, 4]);
    scope(() => sum(square(topK(y, 2).values)).backward());
    expect(await list(y.grad)).toEqual([10, 0, 8]);
  });

  test("a second backward adds", async () => {
    using x = leaf(device, [1, 2, 3]);
    scope(() => sum(square(x)).backward());
    scope(() => sum(scale(x, 3)).backward());
    expect(await list(x.grad)).toEqual([5, 7, 9]);
    scope(() => sum(add(x, x)).backward());
    expect(await list(x.grad)).toEqual([7, 9, 11]);
  });

  test("a loss that is itself a leaf", async () => {
    using x = leaf(device, [3]);
    x.backward();
    x.backward();
    expect(await list(x.grad)).toEqual([2]);
  });

  test("the gradients of a chain go as soon as they are used", () => {
    const n = 4096;
    using x = tensor(new Float32Array(n), { device, requiresGrad: true });
    scope(() => {
      let y: Tensor = x;
      // Residual branches and reshapes: gradients that are passed on, and views of them.
      for (let i = 0; i < 20; i++) y = add(y, reshape(scale(reshape(y, [n / 2, 2]), 0.5), [n]));
      const loss = sum(y);
      const before = device.memory().live;
      device.pool.resetPeak();
      loss.backward();
      expect(device.memory().peak - before).toBeLessThanOrEqual(4 * n * 4);
      expect(device.memory().live - before).toBe(n * 4);
    });
  });

  test("backward outside of every scope leaves nothing behind but grad", () => {
    const before = device.memory().allocations;
    const x = leaf(device, [1, 2]);
    const same = reshape(x, [2]);
    const y = add(x, same);
    const loss = sum(y);
    loss.backward();
    for (const t of [loss, y, x]) t.dispose();
    // What is left is x's memory, which the view shares.
    expect(device.memory().allocations).toBe(before + 1);
    same.dispose();
    expect(device.memory().allocations).toBe(before);
  });

  test("noGrad", () => {
    using x = leaf(device, [1, 2]);
    scope(() => {
      expect(noGrad(() => square(x)).tracked).toBe(false);
      expect(square(x).tracked).toBe(true);
      expect(() =>
        noGrad(() => {
          throw new Error("inside");
        }),
      ).toThrow("inside");
      expect(square(x).tracked, "on again after an error").toBe(true);
      expect(() => sum(noGrad(() => square(x))).backward()).toThrow(
        new GradientError(
          `backward: Tensor f32 [] ${name} has no history: it depends on no tensor with requiresGrad, was made under noGrad, ` +
            "or is itself a gradient (there is no second derivative).",
        ),
      );
    });
  });

  test("gradients() touches no grad", async () => {
    using x = leaf(device, [1, 2]);
    using w = leaf(device, [3, 4]);
    using other = leaf(device, [0]);
    const [dx, none] = scope(() => gradients(sum(mul(square(x), w)), [x, other]));
    expect(await list(dx)).toEqual([6, 16]);
    expect(none).toBeNull();
    expect([x.grad, w.grad]).toEqual([null, null]);
    dx?.dispose();
    scope(() => {
      const y = square(x);
      expect(() => gradients(sum(y), [y])).toThrow(
        new GradientError(
          `gradients: Tensor f32 [2] ${name} is the result of square, not a leaf. Ask for what it was made of.`,
        ),
      );
    });
  });

  test("backward twice", () => {
    using x = leaf(device, [1, 2]);
    scope(() => {
      const loss = sum(square(x));
      loss.backward();
      expect(() => loss.backward()).toThrow(
        new GradientError(
          "sum: backward ran through this result before, and what it saved is gone. Run the forward again.",
        ),
      );
    });
  });

  test("no second derivative", () => {
    using x = leaf(device, [1, 2]);
    scope(() => {
      const [dx] = gradients(sum(square(x)), [x]);
      expect(() => sum(dx as Tensor).backward()).toThrow(/ is itself a gradient \(there is no second derivative\)\.$/);
    });
  });

  test("more than one element", () => {
    using x = leaf(device, [1, 2]);
    scope(() =>
      expect(() => square(x).backward()).toThrow(
        new GradientError(`backward: Tensor f32 [2] ${name} has 2 elements. Reduce it to one (sum, mean) first.`),
      ),
    );
  });

  test("a change in place after saving", () => {
    using x = leaf(device, [1, 2]);
    scope(() => {
      const loss = sum(square(x));
      x.write([3, 4]);
      expect(() => loss.backward()).toThrow(
        new GradientError(
          "square: saved [2] was changed in place after it was saved for the backward pass. Change a copy instead.",
        ),
      );
    });
    expect(x.grad).toBeNull();
    // What the gradient does not need may change.
    scope(() => {
      const y = scale(x, 2);
      const loss = sum(scale(y, 3));
      y.write([0, 0]);
      expect(() => loss.backward()).not.toThrow();
    });
  });

  test("inputs that are gone before backward", async () => {
    using x = leaf(device, [1, 2]);
    scope(() => {
      const y = square(x);
      const loss = sum(mul(y, y));
      y.dispose();
      loss.backward();
    });
    expect(await list(x.grad)).toEqual([4, 32]);
  });

  test("a graph deeper than the stack", async () => {
    using x = leaf(device, [1]);
    const live = device.memory().allocations;
    scope(() => {
      let y: Tensor = x;
      for (let i = 0; i < 12_000; i++) y = scale(y, 1);
      sum(y).backward();
    });
    expect(await list(x.grad)).toEqual([1]);
    expect(device.memory().allocations).toBe(live + 1);
    scope(() => {
      let y: Tensor = x;
      for (let i = 0; i < 12_000; i++) y = tanh(y);
    });
    expect(device.memory().allocations, "never walked").toBe(live + 1);
  });

  test("tied weights add in the kernel to the same sum", async () => {
    using w = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { device, requiresGrad: true },
    );
    using x = tensor([[1, 1]], { device });
    scope(() => sum(linear(linear(x, w), w)).backward());
    // y = x Wᵀ = [3, 7], z = y Wᵀ: dW = 1ᵀ y + (1 W)ᵀ x
    expect(await list(w.grad)).toEqual([3 + 4, 7 + 4, 3 + 6, 7 + 6]);
  });

  test("a frozen input costs no gradient", async () => {
    using x = tensor([1, 2], { device });
    using w = leaf(device, [3, 4]);
    scope(() => sum(concat([mul(x, w), x], 0)).backward());
    expect(x.grad).toBeNull();
    expect(await list(w.grad)).toEqual([1, 2]);
  });
});
