import { afterAll, describe, expect, test } from "vitest";
import type { Device } from "../engine/device/device.js";
import { openDevice } from "../engine/device/open-device.js";
import { cast } from "../engine/ops/cast.js";
import { dropout, dropPath } from "../engine/ops/dropout.js";
import { arange, full } from "../engine/ops/fill.js";
import { indexSelect } from "../engine/ops/index-select.js";
import { permute } from "../engine/ops/permute.js";
import { randLike } from "../engine/ops/random.js";
import { where } from "../engine/ops/where.js";
import { scope } from "../engine/scope.js";
import { fromHost, type Tensor } from "../engine/tensor.js";
import { hasF16, tryOpen } from "./support/devices.js";

/** What does not round, or rounds as IEEE says: the same bits on every device. */
const reference = await openDevice("reference");
const opened = [await tryOpen("cpu", { threads: 2 }), await tryOpen("webgpu"), await tryOpen("cuda")].flatMap(
  ({ device }) => device ?? [],
);
afterAll(() => {
  for (const d of [reference, ...opened]) d.close();
});

const zeros = (device: Device, ...shape: number[]) => full(shape, 0, { device });
const ones = (device: Device, ...shape: number[]) => full(shape, 1, { device });
const ints = (device: Device, values: readonly number[], shape = [values.length]) =>
  fromHost(device, Int32Array.from(values), shape, "i32");

/** Bits that as f32 are NaN, quiet and signalling, infinite, denormal, and zero with a sign. */
const ODD_BITS = [0x7fc00001, 0x7f800001, -0x7fffff, 0x7f800000, 1, 0x007fffff, -0x80000000, -1, 0];

/** Half-way between neighbours, one unit beside it, the ends of the range, denormal results, overflow. */
const BORDERS = [
  1 + 2 ** -11,
  1 + 3 * 2 ** -11,
  1 + 2 ** -8,
  1 + 3 * 2 ** -8,
  1 + 2 ** -11 + 2 ** -23,
  65504,
  65519.996,
];
BORDERS.push(65520, 3e38, 3.4028234663852886e38, 2 ** -14, 2 ** -24, 2 ** -25, 3 * 2 ** -25, 2 ** -15 * 1.3, 0, -0);
BORDERS.push(Infinity, 1e-39, ...BORDERS.map((x) => -x));
const borders = (device: Device) => fromHost(device, Float32Array.from(BORDERS), [BORDERS.length], "f32");

const CASES: Readonly<Record<string, (device: Device) => Tensor>> = {
  "uniform numbers": (d) => randLike(zeros(d, 33_001)),
  "uniform numbers in another range of whole numbers": (d) => randLike(zeros(d, 7, 9), { low: -4, high: 4 }),
  "dropout, no multiple of four": (d) => dropout(ones(d, 41, 103), 0.3),
  "dropout of infinities": (d) => dropout(full([64], Infinity, { device: d }), 0.5),
  "drop path, samples of seven elements": (d) => dropPath(ones(d, 301, 7), 0.4),
  "drop path, samples of four elements": (d) => dropPath(ones(d, 65, 2, 2), 0.5),
  "a value": (d) => full([1001], 0.1, { device: d }),
  "minus infinity in f16": (d) => full([5], -Infinity, { device: d, dtype: "f16" }),
  "an integer": (d) => full([13], -7, { device: d, dtype: "i32" }),
  "a range": (d) => arange(1003, { device: d, dtype: "f32", start: -3, step: 0.5 }),
  "a range of integers that wraps": (d) => arange(11, { device: d, start: 2 ** 31 - 5, step: 3 }),
  "permuted bits of any kind": (d) => permute(ints(d, ODD_BITS, [3, 3]), [1, 0]),
  "selected bits of any kind": (d) => indexSelect(ints(d, ODD_BITS), 0, ints(d, [8, 1, 0, 2, 3, 4])),
  "chosen bits of any kind": (d) => where(ints(d, [0, 1, 2, 0, -1, 1, 1, 1, 1]), ints(d, ODD_BITS), zeroInts(d, 9)),
  "f32 to bf16": (d) => cast(borders(d), "bf16"),
  "f32 to f16": (d) => cast(borders(d), "f16"),
  "bf16 to f16": (d) => cast(cast(borders(d), "bf16"), "f16"),
  "integers to f16": (d) => cast(ints(d, [2049, 2051, -4097, 65519, 7, 65504, -1]), "f16"),
};
/** Kernels whose value type is f16; a cast from another writes its bits on any adapter. */
const NEED_F16 = new Set(["minus infinity in f16", "integers to f16"]);
const zeroInts = (device: Device, length: number) => full([length], 0, { device, dtype: "i32" });

async function bytes(device: Device, f: (device: Device) => Tensor): Promise<Buffer> {
  device.seed(0x1234_5678_9abc);
  using y = scope(() => f(device));
  return Buffer.from((await y.data()).buffer);
}

describe.each(opened)("$name", (device) => {
  for (const [name, f] of Object.entries(CASES))
    test.skipIf(NEED_F16.has(name) && !hasF16(device))(name, async () => {
      expect(await bytes(device, f)).toEqual(await bytes(reference, f));
    });
});
