import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from "../../bindings/half.js";
import { toBytes, toFloat32, toInt32 } from "../../engine/io/convert.js";
import type { StoredDType } from "../../engine/io/stored-tensor.js";

const HALVES = Uint16Array.from({ length: 65536 }, (_, i) => i);
const isNaN16 = { bf16: (h: number) => (h & 0x7fff) > 0x7f80, f16: (h: number) => (h & 0x7fff) > 0x7c00 };
const formats = {
  bf16: { encode: encodeBf16, decode: decodeBf16, infinity: 0x7f80 },
  f16: { encode: encodeF16, decode: decodeF16, infinity: 0x7c00 },
};
const floats = fc.oneof(
  fc.float(),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((bits) => new Float32Array(Int32Array.of(bits).buffer)[0]),
  fc.float({ min: Math.fround(-1e-4), max: Math.fround(1e-4) }),
);

/** Nearest representable magnitude by search, ties to the even code: the definition, with no bit tricks. */
function nearestHalf(value: number, decoded: Float32Array, infinity: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return sign | infinity;
  let low = 0;
  let high = infinity;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (decoded[middle] <= magnitude) low = middle;
    else high = middle;
  }
  // Rounding treats infinity as the power of two that would follow the largest finite value.
  const next = high === infinity ? 2 * decoded[infinity - 1] - decoded[infinity - 2] : decoded[high];
  const below = magnitude - decoded[low];
  const above = next - magnitude;
  return sign | (below < above || (below === above && low % 2 === 0) ? low : high);
}

describe.each(["bf16", "f16"] as const)("%s", (name) => {
  const { encode, decode, infinity } = formats[name];
  const decoded = decode(HALVES);

  test("all 65,536 codes survive decoding and encoding; NaN stays NaN", () => {
    const again = encode(decoded);
    const kept = (half: number) => (isNaN16[name](half) ? isNaN16[name](again[half]) : again[half] === half);
    expect(HALVES.filter((half) => !kept(half))).toEqual(new Uint16Array(0));
  });

  test("encoding rounds to the nearest code, ties to even", () => {
    const ties = Float32Array.from({ length: infinity - 1 }, (_, i) => (decoded[i] + decoded[i + 1]) / 2);
    const rounded = encode(ties);
    expect(ties.findIndex((tie, i) => rounded[i] !== nearestHalf(tie, decoded, infinity))).toBe(-1);
    fc.assert(
      fc.property(floats, (value) => {
        const half = encode(Float32Array.of(value))[0];
        if (Number.isNaN(value)) return isNaN16[name](half);
        return half === nearestHalf(value, decoded, infinity);
      }),
      { numRuns: 20_000 },
    );
  });
});

test("known float16 and bfloat16 values", () => {
  expect([...decodeF16(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00))]).toEqual([
    1,
    -2,
    65504,
    2 ** -24,
    2 ** -14,
    Number.POSITIVE_INFINITY,
  ]);
  expect([...encodeF16(Float32Array.of(65519, 65520, 2 ** -25, -0))]).toEqual([0x7bff, 0x7c00, 0, 0x8000]);
  expect([...encodeBf16(Float32Array.of(1, 3.4028234663852886e38, -0))]).toEqual([0x3f80, 0x7f80, 0x8000]);
  const lowPayload = new Float32Array(Uint32Array.of(0x7f800001).buffer);
  expect([...encodeBf16(lowPayload)]).toEqual([0x7fc0]);
});

describe("toFloat32 and toBytes", () => {
  const ranges: Partial<Record<StoredDType, [number, number]>> = {
    I64: [-(2 ** 24), 2 ** 24],
    I32: [-(2 ** 24), 2 ** 24],
    I16: [-32768, 32767],
    I8: [-128, 127],
    U8: [0, 255],
    U16: [0, 65535],
    U32: [0, 2 ** 24],
    U64: [0, 2 ** 24],
    BOOL: [0, 1],
  };

  test.each(Object.entries(ranges))("%s: whole numbers survive, as float32 and as int32", (dtype, [min, max]) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min, max })), (list) => {
        const bytes = toBytes(Float32Array.from(list), dtype as StoredDType);
        expect([...toFloat32(bytes, dtype as StoredDType)]).toEqual(list);
        expect([...toInt32(bytes, dtype as StoredDType)]).toEqual(list);
      }),
    );
  });

  test.each(["F32", "F64"] as const)("%s: every float32 survives", (dtype) => {
    fc.assert(
      fc.property(fc.float32Array(), (values) => {
        expect(toFloat32(toBytes(values, dtype), dtype)).toEqual(values);
      }),
    );
  });

  test("bytes at an odd offset", () => {
    const bytes = new Uint8Array(13);
    bytes.set(toBytes(Float32Array.of(1.5, -2, 3), "F32"), 1);
    expect([...toFloat32(bytes.subarray(1), "F32")]).toEqual([1.5, -2, 3]);
    const wide = new Uint8Array(9);
    wide.set(toBytes(Float32Array.of(-5), "I64"), 1);
    expect([...toInt32(wide.subarray(1), "I64")]).toEqual([-5]);
  });

  test("wide integers beyond float32 are rounded, negative and unsigned ones keep their sign", () => {
    const signed = new Uint8Array(BigInt64Array.of(-(2n ** 63n), -1n, 2n ** 62n).buffer);
    expect([...toFloat32(signed, "I64")]).toEqual([-(2 ** 63), -1, 2 ** 62]);
    expect([...toFloat32(signed, "U64")]).toEqual([2 ** 63, 2 ** 64, 2 ** 62]);
  });

  test("any byte but 0 is true", () => {
    expect([...toFloat32(Uint8Array.of(0, 1, 255), "BOOL")]).toEqual([0, 1, 1]);
    expect([...toInt32(Uint8Array.of(0, 1, 255), "BOOL")]).toEqual([0, 1, 1]);
  });
});

describe("range checks", () => {
  test.each([2n ** 31n, -(2n ** 31n) - 1n, 2n ** 40n, 2n ** 63n - 1n])("int64 %s does not fit int32", (value) => {
    const bytes = new Uint8Array(BigInt64Array.of(0n, value).buffer);
    expect(() => toInt32(bytes, "I64", "ids")).toThrow(
      new RangeError(`ids: element 1 is ${value}, which int32 cannot hold`),
    );
  });
  test("the ends of the range do", () => {
    const bytes = new Uint8Array(BigInt64Array.of(2n ** 31n - 1n, -(2n ** 31n)).buffer);
    expect([...toInt32(bytes, "I64")]).toEqual([2 ** 31 - 1, -(2 ** 31)]);
  });
  test.each([2n ** 31n, 2n ** 64n - 1n])("uint64 %s does not fit int32", (value) => {
    const bytes = new Uint8Array(BigUint64Array.of(value).buffer);
    expect(() => toInt32(bytes, "U64")).toThrow(`element 0 is ${value}`);
  });
  test("uint32 beyond 2^31 does not fit", () => {
    expect(() => toInt32(new Uint8Array(Uint32Array.of(1, 2 ** 31).buffer), "U32")).toThrow(/element 1 is 2147483648/);
  });
  test.each<[StoredDType, number]>([
    ["U8", 256],
    ["U8", -1],
    ["I8", 128],
    ["BOOL", 2],
    ["I32", 0.5],
    ["I64", 2 ** 63],
    ["I16", Number.NaN],
  ])("%s cannot hold %s", (dtype, value) => {
    expect(() => toBytes(Float64Array.of(0, value), dtype, "x")).toThrow(
      `x: element 1 is ${value}, which ${dtype} cannot hold`,
    );
  });
  test("floating-point values are no integers, half a value is none", () => {
    expect(() => toInt32(new Uint8Array(4), "F32", "x")).toThrow(TypeError);
    expect(() => toFloat32(new Uint8Array(6), "F32")).toThrow(/no whole number of F32/);
  });
});
