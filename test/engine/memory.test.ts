import { describe, expect, test } from "vitest";
import { OutOfMemoryError } from "../../engine/errors.js";
import { openDevice } from "../../engine/open-device.js";
import { zeros } from "../../engine/ops/fill.js";
import { layerNorm } from "../../engine/ops/layer-norm.js";
import { scale } from "../../engine/ops/unary.js";
import { sizeClass } from "../../engine/pool.js";
import { keep, scope } from "../../engine/scope.js";

const MIB = 2 ** 20;

describe.each(["reference", "cpu"] as const)("memory of %s", (name) => {
  test("the budget is an error that names the allocation; the device stays usable", async () => {
    using device = await openDevice(name, { memoryBudget: 4 * MIB });
    const n = MIB / 4;
    using x = zeros([n], { device });
    const { live } = device.memory();
    scope(() => {
      scale(x, 1);
      scale(x, 2);
      const before = device.memory().allocations;
      const expected =
        "elementwise/unary: 1.0 MiB do not fit: 3.0 MiB of 4.0 MiB are in use. " +
        "Use a smaller batch, activation checkpointing, or a larger memoryBudget.";
      expect(() => scale(x, 3)).toThrow(new OutOfMemoryError(expected));
      expect(device.memory().allocations).toBe(before);
    });
    expect(device.memory().live).toBe(live);
    using y = scope(() => scale(scale(x, 2, 1), 3));
    expect((await y.data()).every((v) => v === 3)).toBe(true);
  });

  test("an op with several outputs leaves none behind when the last does not fit", async () => {
    using device = await openDevice(name, { memoryBudget: 3 * MIB });
    using x = zeros([MIB / 16, 4], { device });
    using one = zeros([4], { device });
    const { live } = device.memory();
    // y fits, mean and rstd together do not.
    using _filler = keep(zeros([MIB / 4 - 4096], { device }));
    using _more = keep(zeros([MIB / 8], { device }));
    const before = device.memory().live;
    expect(before).toBeGreaterThan(live);
    expect(() => layerNorm(x, one, one)).toThrow(OutOfMemoryError);
    expect(device.memory().live).toBe(before);
  });

  test("pooled memory gives way to another size", async () => {
    using device = await openDevice(name, { memoryBudget: 2 * MIB });
    zeros([MIB / 4], { device }).dispose();
    expect(device.memory().pooled).toBe(MIB);
    using large = zeros([(3 * MIB) / 8], { device });
    expect(device.memory().pooled).toBe(0);
    expect(device.memory().live).toBeGreaterThan(large.size * 4);
  });

  test("memory is used again", async () => {
    using device = await openDevice(name);
    const first = zeros([1000], { device });
    const { memory } = first.storage;
    first.dispose();
    using second = zeros([1000], { device });
    expect(second.storage.memory).toBe(memory);
  });

  test("peak", async () => {
    using device = await openDevice(name);
    const { live } = device.memory();
    zeros([MIB / 4], { device }).dispose();
    expect(device.memory()).toMatchObject({ live, peak: live + MIB });
    device.pool.resetPeak();
    expect(device.memory().peak).toBe(live);
  });
});

test("size classes waste at most an eighth, above 512 bytes", () => {
  for (let bytes = 512; bytes < 1e9; bytes = Math.ceil(bytes * 1.01)) {
    const size = sizeClass(bytes);
    expect(size).toBeGreaterThanOrEqual(bytes);
    expect(size).toBeLessThanOrEqual(bytes * 1.125);
    expect(size % 64).toBe(0);
    expect(sizeClass(size)).toBe(size);
  }
  expect([0, 1, 64, 65, 511].map(sizeClass)).toEqual([64, 64, 64, 128, 512]);
});
