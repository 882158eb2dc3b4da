import { afterAll, describe, expect, test } from "vitest";
import { decodeF16, encodeF16 } from "../bindings/half.js";
import { noGrad } from "../engine/autograd/recording.js";
import { gradients } from "../engine/autograd/tape.js";
import type { Device } from "../engine/device/device.js";
import { openDevice } from "../engine/device/open-device.js";
import type { Op } from "../engine/dispatch/define-op.js";
import { FaultError, GradientError } from "../engine/errors.js";
import { maximum, minimum } from "../engine/ops/binary.js";
import { cast } from "../engine/ops/cast.js";
import { zeros } from "../engine/ops/fill.js";
import { indexAdd } from "../engine/ops/index-add.js";
import { indexSelect } from "../engine/ops/index-select.js";
import { max, maxOp, min, minOp, sum } from "../engine/ops/reduce.js";
import * as unary from "../engine/ops/unary.js";
import { writeRows } from "../engine/ops/write-rows.js";
import { scope } from "../engine/scope.js";
import { fromHost, setRequiresGrad, type Tensor } from "../engine/tensor.js";
import type { FloatDType } from "../kernels/contract.js";
import { hasF16, tryOpen } from "./support/devices.js";

/** Infinities, NaN, ends of the range, ties and faults: what tolerances relative to the largest value cannot see. */
const reference = await openDevice("reference");
const opened = [await tryOpen("cpu", { threads: 2 }), await tryOpen("webgpu"), await tryOpen("cuda")].flatMap(
  ({ device }) => device ?? [],
);
afterAll(() => {
  for (const d of [reference, ...opened]) d.close();
});

const { NaN: NAN, POSITIVE_INFINITY: INF } = Number;
const upload = (device: Device, values: readonly number[], shape = [values.length]) =>
  fromHost(device, Float32Array.from(values), shape, "f32");

async function run(f: () => Tensor): Promise<number[]> {
  using y = scope(f);
  return Array.from(await y.data());
}

/** Largest relative error of each function; denormal results may be flushed, and WGSL lets denormal arguments be, too. */
const SMALLEST = 1.2e-38;
const flushed = (x: number) => (Math.abs(x) < SMALLEST ? 0 * x : x);
const close = (got: number, expected: number, tolerance: number) =>
  Object.is(got, expected) ||
  (Number.isNaN(got) && Number.isNaN(expected)) ||
  Math.abs(got - expected) <= tolerance * Math.abs(expected) + SMALLEST;

interface Special {
  readonly op: Op<never, never, Tensor>;
  readonly values: readonly number[];
  readonly options?: Readonly<Record<string, number>>;
  readonly tolerance?: number;
}

const of = (op: unknown, values: readonly number[], extra: Partial<Special> = {}): Special => ({
  op: op as Special["op"],
  values,
  ...extra,
});

/** Where x σ(x) and its like are x or 0, and what infinity and NaN make of them. */
const FAR = [1e30, -1e30, 3e38, -3e38, INF, -INF, NAN];

const SPECIALS: Special[] = [
  of(unary.expOp, [88.7, 89, 200, 3e38, -87, -104, -3e38, INF, -INF, NAN, 0]),
  of(unary.logOp, [0, -0, -1, 1e-38, 3e38, INF, -INF, NAN, 1]),
  of(unary.sqrtOp, [-1, 0, -0, INF, 1e-38, NAN]),
  of(unary.rsqrtOp, [0, INF, 4, -1, NAN]),
  of(unary.absOp, [-0, 0, NAN, -INF]),
  of(unary.squareOp, [1e30, -INF, NAN]),
  of(unary.reciprocalOp, [0, -0, INF, -INF, NAN]),
  of(unary.sinOp, [1e5, -4e4, 39001, 3e6, 1, INF, NAN]),
  of(unary.cosOp, [1e5, -4e4, 39001, 3e6, 1, INF, NAN]),
  of(unary.tanhOp, [20, -20, 100, -1e30, INF, -INF, NAN, 1e-7, -3e-3, 0]),
  of(unary.sigmoidOp, [90, -80, 200, INF, NAN, 0]),
  of(unary.reluOp, [0, INF, -INF, NAN, -1e-40]),
  of(unary.geluOp, [-6, -5, -3, 6, 30, ...FAR], { tolerance: 3e-6 }),
  of(unary.geluTanhOp, [-3, 6, 30, ...FAR], { tolerance: 1e-5 }),
  of(unary.quickGeluOp, [-40, -20, 20, 100, ...FAR], { tolerance: 4e-6 }),
  of(unary.siluOp, [-80, -20, 20, 100, ...FAR], { tolerance: 4e-6 }),
  of(unary.signOp, [0, -0, NAN, -1e-30, INF]),
  of(unary.floorOp, [-1, -0.5, 2, 8388607.5, -3e9, INF, NAN]),
  of(unary.clampOp, [-0.5, 0.75, -0.50001, NAN, INF, -INF], { options: { alpha: -0.5, beta: 0.75 } }),
  of(unary.powOp, [0, -2, INF, NAN, 1e-20], { options: { alpha: 3 } }),
  of(unary.powOp, [0, -2, INF, NAN], { options: { alpha: 0 } }),
];

describe.each(opened)("$name", (device) => {
  test.each(SPECIALS)("$op.opName", async ({ op, values, options = {}, tolerance = 2e-6 }) => {
    const of = (d: Device, x: readonly number[]) => run(() => op({ x: upload(d, x) } as never, options as never));
    const got = await of(device, values);
    const [expected, ofFlushed] = [await of(reference, values), await of(reference, values.map(flushed))];
    const mayFlush = device.name === "webgpu";
    const wrong = values.flatMap((x, i) =>
      close(got[i], expected[i], tolerance) || (mayFlush && close(got[i], ofFlushed[i], tolerance))
        ? []
        : [{ x, got: got[i], expected: expected[i] }],
    );
    expect(wrong).toEqual([]);
  });
});

const SLOPES: Special[] = [
  of(unary.geluOp, [-3, 0, 6, 30, ...FAR], { tolerance: 3e-6 }),
  of(unary.geluTanhOp, [-3, 0, 6, 30, ...FAR], { tolerance: 1e-5 }),
  of(unary.quickGeluOp, [-20, 0, 20, 100, ...FAR], { tolerance: 4e-6 }),
  of(unary.siluOp, [-20, 0, 20, 100, ...FAR], { tolerance: 4e-6 }),
  of(unary.tanhOp, [0, 20, -1e30, INF, NAN]),
  of(unary.reluOp, [0, INF, -INF]),
  of(unary.powOp, [0, -2, INF, NAN], { options: { alpha: 0 } }),
  of(unary.powOp, [0, -2, 1e-20], { options: { alpha: 1 } }),
];

const slopes = (device: Device, { op, values, options = {} }: Special) =>
  run(() => {
    const x = setRequiresGrad(upload(device, values));
    return gradients(sum(op({ x } as never, options as never)), [x])[0] as Tensor;
  });

describe.each(opened)("$name", (device) => {
  test.each(SLOPES)("the gradient of $op.opName", async (special) => {
    const [got, expected] = await Promise.all([device, reference].map((d) => slopes(d, special)));
    const wrong = special.values.flatMap((x, i) =>
      close(got[i], expected[i], special.tolerance ?? 2e-6) ? [] : [{ x, got: got[i], expected: expected[i] }],
    );
    expect(wrong).toEqual([]);
  });
});

describe.each([reference, ...opened].filter(hasF16))("f16 on $name", (device) => {
  const all = decodeF16(Uint16Array.from({ length: 65536 }, (_, bits) => bits));
  const casted = (values: Float32Array, from: FloatDType, to: FloatDType) =>
    run(() => cast(fromHost(device, values, [values.length], from), to));

  test("every value is widened exactly", async () => {
    expect(await casted(all, "f16", "f32")).toEqual(Array.from(all));
  });

  test("narrowing rounds to nearest even, overflows to infinity and keeps NaN", async () => {
    // Half-way between neighbours, and the f32 values beside it; 65,520 is half-way to what would be 65,536.
    const between = Array.from(all.subarray(0, 0x7c00), (low, i) => (low + (i === 0x7bff ? 65536 : all[i + 1])) / 2);
    const ends = [65519.99, 65536, 1e5, 3e38, INF, NAN, 2 ** -25, 2 ** -26, 1e-38, 1e-45, 0];
    const values = Float32Array.from([...between, ...ends].flatMap((v) => [v, v * (1 - 2 ** -24), v * (1 + 2 ** -23)]));
    const both = Float32Array.from([...values, ...values.map((v) => -v)]);
    expect(await casted(both, "f32", "f16")).toEqual(Array.from(decodeF16(encodeF16(both))));
  });
});

describe.each([reference, ...opened])("$name", (device) => {
  const NANS = [1, 5, NAN, 7, 5, 2, 7, 5, 9, -1, -INF, NAN];

  test("an extremum is NaN where there is one, and infinities count", async () => {
    const by = (f: typeof max, dim: number) => run(() => f(upload(device, NANS, [4, 3]), { dim }));
    expect(await by(max, 0)).toEqual([7, 5, NAN]);
    expect(await by(min, 0)).toEqual([-1, -INF, NAN]);
    expect(await by(max, 1)).toEqual([NAN, 7, 9, NAN]);
    expect(await run(() => max(upload(device, [-INF, -INF])))).toEqual([-INF]);
  });

  test.each([
    ["along columns", [1, 5, 7, 5, 7, 1], [3, 2], 0, [0, 1, 1, 0, 0, 0]],
    ["along rows, NaN first", [3, 3, 2, NAN, 4, NAN], [2, 3], 1, [1, 0, 0, 1, 0, 0]],
  ])("the gradient of a maximum goes to the first, %s", async (_case, values, shape, dim, expected) => {
    const got = await run(() => {
      const x = setRequiresGrad(upload(device, values, shape));
      return gradients(sum(max(x, { dim })), [x])[0] as Tensor;
    });
    expect(got).toEqual(expected);
  });

  test("over dimensions apart, the first is that of the row-major order", async () => {
    const got = await run(() => {
      const x = setRequiresGrad(upload(device, [1, 4, 4, 0, 4, 0, 0, 9], [2, 2, 2]));
      return gradients(sum(max(x, { dim: [0, 2] })), [x])[0] as Tensor;
    });
    expect(got).toEqual([0, 1, 0, 0, 0, 0, 0, 1]);
  });

  test("an extremum of nothing is refused", () => {
    scope(() => {
      const x = zeros([2, 0], { device });
      for (const op of [maxOp, minOp])
        expect(() => op({ x }, { dim: 1 })).toThrow(`${op.opName}: [2, 0] has no element along dim 1.`);
    });
  });

  test("maximum and minimum pass NaN on from either side", async () => {
    const pair = (f: typeof maximum) => run(() => f(upload(device, [NAN, 1, 2, -INF]), upload(device, [1, NAN, 3, 0])));
    expect(await pair(maximum)).toEqual([NAN, NAN, 3, 0]);
    expect(await pair(minimum)).toEqual([NAN, NAN, 2, -INF]);
  });

  test("an index out of range gives zeros and names the op", async () => {
    const index = fromHost(device, Int32Array.of(1, -1, 0), [3], "i32");
    using y = scope(() => indexSelect(upload(device, [1, 2, 3, 4], [2, 2]), 0, index));
    await expect(y.data()).rejects.toThrow(FaultError);
    expect(Array.from(await y.data())).toEqual([3, 4, 0, 0, 1, 2]);
    using z = scope(() => indexAdd(upload(device, [1, 1], [2, 1]), 0, index, upload(device, [5, 6, 7], [3, 1])));
    await expect(z.data()).rejects.toThrow("copy/index-add: index -1 at position 1 is out of range");
    expect(Array.from(await z.data())).toEqual([8, 6]);
    index.dispose();
  });

  test("rows are written in place along any dimension", async () => {
    using cache = zeros([2, 3, 2], { device });
    scope(() => writeRows(cache, upload(device, [1, 2, 3, 4], [2, 1, 2]), { dim: 1, position: 1 }));
    expect(Array.from(await cache.data())).toEqual([0, 0, 1, 2, 0, 0, 0, 0, 3, 4, 0, 0]);
    scope(() => {
      const rows = upload(device, [1, 2, 3, 4], [2, 1, 2]);
      expect(() => writeRows(cache, rows, { dim: 1, position: 3 })).toThrow("Make the cache longer.");
      setRequiresGrad(rows);
      expect(() => writeRows(cache, rows, { dim: 1, position: 0 })).toThrow(GradientError);
      noGrad(() => writeRows(cache, rows, { dim: 1, position: 0 }));
    });
  });
});
