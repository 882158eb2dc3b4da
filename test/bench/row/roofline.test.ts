import { describe, expect, test } from "vitest";
import { type Ceiling, rooflineSchema } from "../../../bench/document.js";
import { bytesPerSecond, flopsPerSecond, rooflineOf } from "../../../bench/row/roofline.js";

const ceiling: Ceiling = {
  ...{ device: "cpu", dtype: "f32", threads: 2 },
  flopsPerSecond: 100e9,
  copyBytesPerSecond: 20e9,
  launchSeconds: 2e-6,
};
const call = (launches: number) => ({ enqueueUs: 1, deviceUs: null, launches, ops: 1, recorded: 0 });

describe("rooflineOf", () => {
  test("compute: operations at the rate of multiply-adds", () => {
    const found = rooflineOf({ flops: 1e9, bytes: 1e6, medianUs: 20_000, call: call(3) }, ceiling);
    expect(found).toEqual({ limit: "compute", limitUs: 10_000, share: 0.5 });
    expect(rooflineSchema.parse(found)).toEqual(found);
  });

  test("bandwidth: bytes at the speed of a copy", () => {
    const row = { flops: 1e6, bytes: 2e9, medianUs: 400_000, call: call(3) };
    expect(rooflineOf(row, ceiling)).toEqual({ limit: "bandwidth", limitUs: 100_000, share: 0.25 });
  });

  test("launches: one after the other", () => {
    const row = { flops: 1024, bytes: 12_288, medianUs: 40, call: call(10) };
    const found = rooflineOf(row, ceiling);
    expect(found?.limit).toBe("launches");
    expect(found?.limitUs).toBeCloseTo(20, 9);
    expect(found?.share).toBeCloseTo(0.5, 9);
  });

  test("what nobody counted bounds nothing", () => {
    expect(rooflineOf({ flops: null, bytes: 2e9, medianUs: 1e5 }, ceiling)?.limit).toBe("bandwidth");
    expect(rooflineOf({ flops: 1e9, bytes: null, medianUs: 1e5 }, ceiling)?.limit).toBe("compute");
    expect(rooflineOf({ flops: null, bytes: null, medianUs: 10, call: call(3) }, ceiling)).toBeNull();
  });

  test("nothing to do, or no ceiling: none", () => {
    expect(rooflineOf({ flops: 0, bytes: 0, medianUs: 10 }, ceiling)).toBeNull();
    expect(rooflineOf({ flops: 1e9, bytes: 1e6, medianUs: 10 }, null)).toBeNull();
  });
});

test("operations and bytes a second", () => {
  expect(flopsPerSecond({ flops: 3e6, medianUs: 1500 })).toBe(2e9);
  expect(bytesPerSecond({ bytes: 3e6, medianUs: 1500 })).toBe(2e9);
  expect(flopsPerSecond({ flops: null, medianUs: 1500 })).toBeNull();
  expect(bytesPerSecond({ bytes: null, medianUs: 1500 })).toBeNull();
  expect(flopsPerSecond({ flops: 0, medianUs: 1500 })).toBeNull();
});
