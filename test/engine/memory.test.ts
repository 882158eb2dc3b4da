import { describe, expect, test } from "vitest";
import { openDevice } from "../../engine/device/open-device.js";
import { sizeClass } from "../../engine/device/pool.js";
import { OutOfMemoryError } from "../../engine/errors.js";
import { zeros } from "../../engine/ops/fill.js";
import { layerNorm } from "../../engine/ops/layer-norm.js";
import { sum } from "../../engine/ops/reduce.js";
import { scale } from "../../engine/ops/unary.js";
import { keep, scope } from "../../engine/scope.js";
import { tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";

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
        "Use a smaller batch, activation checkpointing, or a larger `memoryBudget`.";
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

  test("what was allocated first is taken first, in whichever order it came back", async () => {
    using device = await openDevice(name);
    const all = Array.from({ length: 6 }, () => zeros([1000], { device }));
    const order = all.map((t) => t.storage.memory);
    for (const i of [3, 0, 5, 1, 4, 2]) all[i].dispose();
    const again = Array.from({ length: 6 }, () => zeros([1000], { device }));
    expect(again.map((t) => order.indexOf(t.storage.memory))).toEqual([0, 1, 2, 3, 4, 5]);
    for (const t of again) t.dispose();
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

test("webgpu: a tensor beyond what one buffer holds says so; scratch and staging count", async (context) => {
  const opened = await tryOpen("webgpu", { memoryBudget: 2 ** 50 });
  if (!opened.device) return context.skip(opened.reason);
  using device = opened.device;
  expect(() => zeros([2 ** 31], { device })).toThrow(OutOfMemoryError);
  expect(() => zeros([2 ** 31], { device })).toThrow(
    /^full: 8192\.0 MiB in one tensor; this device holds at most \d+\.\d MiB in one\. Use a smaller batch, split the tensor, or use the cpu device\.$/,
  );
  const { own } = device.memory();
  using x = zeros([4096, 64], { device });
  const trained = tensor(new Float32Array(64).fill(1), { device, requiresGrad: true });
  scope(() => sum(layerNorm(x, trained, trained)).backward());
  await device.finish();
  expect(device.memory().own).toBeGreaterThan(own);
});
