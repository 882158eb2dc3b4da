import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { gradients } from "../engine/autograd/tape.js";
import type { Device } from "../engine/device/device.js";
import { openDevice } from "../engine/device/open-device.js";
import { ShapeError } from "../engine/errors.js";
import { add } from "../engine/ops/binary.js";
import { expand } from "../engine/ops/expand.js";
import { permute } from "../engine/ops/permute.js";
import { sum } from "../engine/ops/reduce.js";
import { square } from "../engine/ops/unary.js";
import { where } from "../engine/ops/where.js";
import { scope } from "../engine/scope.js";
import { sizeOf } from "../engine/shape.js";
import { fromHost, setRequiresGrad, type Tensor } from "../engine/tensor.js";
import { tryOpen } from "./support/devices.js";

/** Random shapes against loops over index tuples. Values are small whole numbers, so that every result is exact. */
const reference = await openDevice("reference");
const opened = [await tryOpen("cpu", { threads: 2 }), await tryOpen("webgpu"), await tryOpen("cuda")].flatMap(
  ({ device }) => device ?? [],
);
const devices = [reference, ...opened];
afterAll(() => {
  for (const d of devices) d.close();
});

interface Host {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

function strides(shape: readonly number[]): number[] {
  return shape.map((_, i) => sizeOf(shape.slice(i + 1)));
}

/** Where index `at` of a shape that `shape` broadcasts to lies in it. */
function position(shape: readonly number[], at: readonly number[]): number {
  const skip = at.length - shape.length;
  return strides(shape).reduce((i, s, d) => i + (shape[d] === 1 ? 0 : s * at[skip + d]), 0);
}
const element = (t: Host, at: readonly number[]) => t.values[position(t.shape, at)];

function indices(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, d) => all.flatMap((at) => Array.from({ length: d }, (_, i) => [...at, i])),
    [[]],
  );
}

const filled = (shape: readonly number[], seed: number): Host => ({
  shape,
  values: Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 37 + seed * 11) % 23) - 11),
});

const upload = (device: Device, t: Host, dtype: "f32" | "i32" = "f32") =>
  fromHost(device, dtype === "f32" ? Float32Array.from(t.values) : Int32Array.from(t.values), t.shape, dtype);

async function values(f: () => Tensor): Promise<{ shape: readonly number[]; values: number[] }> {
  using y = scope(f);
  return { shape: y.shape, values: Array.from(await y.data(), (v) => v + 0) };
}

const size = fc.integer({ min: 0, max: 5 });
const shape = fc.array(size, { minLength: 0, maxLength: 6 });
/** `whole`, and shapes that broadcast to it: some dimensions 1, some in front left out. */
const stretching = (count: number) =>
  shape.chain((whole) =>
    fc.record({
      whole: fc.constant(whole),
      parts: fc.array(
        fc
          .record({
            ones: fc.array(fc.boolean(), { minLength: whole.length, maxLength: whole.length }),
            drop: fc.nat(whole.length),
          })
          .map(({ ones, drop }) => whole.map((d, i) => (ones[i] ? 1 : d)).slice(drop)),
        { minLength: count, maxLength: count },
      ),
    }),
  );
/** The shape that all broadcast to. */
const common = (...shapes: (readonly number[])[]) => {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((s) => s[s.length - rank + i] ?? 1);
    return sizes.find((d) => d !== 1) ?? 1;
  });
};

const RUNS = { numRuns: 150 };

describe.each(devices)("$name", (device) => {
  test("add broadcasts, and its gradients are summed back", () =>
    fc.assert(
      fc.asyncProperty(stretching(2), async ({ parts }) => {
        const [a, b] = parts.map(filled);
        const whole = common(a.shape, b.shape);
        const got = await values(() => add(upload(device, a), upload(device, b)));
        expect(got).toEqual({ shape: whole, values: indices(whole).map((at) => element(a, at) + element(b, at)) });

        const da = await values(() => {
          const x = setRequiresGrad(upload(device, a));
          return gradients(sum(square(add(x, upload(device, b)))), [x])[0] as Tensor;
        });
        const expected = a.values.map(() => 0);
        for (const at of indices(whole)) expected[position(a.shape, at)] += 2 * (element(a, at) + element(b, at));
        expect(da).toEqual({ shape: a.shape, values: expected });
      }),
      RUNS,
    ));

  test("where broadcasts its three arguments", () =>
    fc.assert(
      fc.asyncProperty(stretching(3), async ({ parts }) => {
        const [c, a, b] = parts.map(filled);
        const condition = { shape: c.shape, values: c.values.map((v) => (v > 0 ? 1 : 0)) };
        const whole = common(c.shape, a.shape, b.shape);
        const got = await values(() => where(upload(device, condition, "i32"), upload(device, a), upload(device, b)));
        const expected = indices(whole).map((at) => (element(condition, at) ? element(a, at) : element(b, at)));
        expect(got).toEqual({ shape: whole, values: expected });
      }),
      RUNS,
    ));

  test("sum over any dimensions", () =>
    fc.assert(
      fc.asyncProperty(
        shape,
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        fc.boolean(),
        async (s, over, keepDim) => {
          const x = filled(s, 1);
          const dim = s.flatMap((_, i) => (over[i] ? [i] : []));
          const got = await values(() => sum(upload(device, x), { dim, keepDim }));
          const whole = s.map((d, i) => (over[i] ? 1 : d));
          const expected = new Array<number>(sizeOf(whole)).fill(0);
          for (const at of indices(s)) {
            const to = strides(whole).reduce((n, stride, i) => n + (over[i] ? 0 : stride * at[i]), 0);
            expected[to] += element(x, at);
          }
          expect(got).toEqual({ shape: keepDim ? whole : s.filter((_, i) => !over[i]), values: expected });
        },
      ),
      RUNS,
    ));

  test("permute puts dimensions in any order", () =>
    fc.assert(
      fc.asyncProperty(
        shape.chain((s) =>
          fc.tuple(
            fc.constant(s),
            fc.shuffledSubarray(
              s.map((_, i) => i),
              { minLength: s.length },
            ),
          ),
        ),
        async ([s, order]) => {
          const x = filled(s, 2);
          const got = await values(() => permute(upload(device, x), order));
          const whole = order.map((d) => s[d]);
          const expected = indices(whole).map((at) =>
            element(
              x,
              s.map((_, d) => at[order.indexOf(d)]),
            ),
          );
          expect(got).toEqual({ shape: whole, values: expected });
        },
      ),
      RUNS,
    ));

  test("a tensor against itself gets both gradients", async () => {
    const got = await values(() => {
      const x = setRequiresGrad(upload(device, filled([3], 3)));
      return gradients(sum(add(x, x)), [x])[0] as Tensor;
    });
    expect(got.values).toEqual([2, 2, 2]);
  });

  test("shapes that do not broadcast are named", () => {
    const [a, b] = [filled([2, 3], 0), filled([4], 1)];
    scope(() => {
      expect(() => add(upload(device, a), upload(device, b))).toThrow(ShapeError);
      expect(() => add(upload(device, a), upload(device, b))).toThrow(
        "add: shapes [2, 3] and [4] do not broadcast: sizes 3 and 4 differ, neither is 1.",
      );
      expect(() => expand(upload(device, a), [3])).toThrow("expand: [2, 3] does not broadcast to [3].");
    });
  });
});
