import { describe, expect, test } from "vitest";
import { openDevice } from "../../engine/device/open-device.js";
import { OutOfMemoryError } from "../../engine/errors.js";
import { zeros } from "../../engine/ops/fill.js";
import { matmul } from "../../engine/ops/matmul.js";
import { scale } from "../../engine/ops/unary.js";
import { scope } from "../../engine/scope.js";
import { tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";

const MIB = 2 ** 20;
const { device: probe, reason } = await tryOpen("webgpu");
probe?.close();

describe.skipIf(!probe)(`running ahead of webgpu ${reason}`, () => {
  test("uploads that pile up are an error before the memory is gone; with ready() they go on", async () => {
    using device = await openDevice("webgpu", { memoryBudget: 128 * MIB });
    using x = tensor(new Float32Array(MIB).fill(1), { device });
    const values = new Float32Array(MIB).fill(1);
    const step = () => x.write(values);
    let uploads = 0;
    const piling = () => {
      for (; uploads < 100; uploads++) step();
    };
    expect(piling).toThrow(OutOfMemoryError);
    expect(piling).toThrow(
      /^upload: 4\.0 MiB do not fit: \d+\.0 MiB of uploads wait for the device already, with \d+\.\d MiB of tensors, in a budget of 128\.0 MiB\. Await device\.ready\(\) once a step\.$/,
    );
    expect(uploads).toBeGreaterThan(16);
    expect(uploads).toBeLessThan(32);
    await device.finish();
    // Nothing but an await tells that the device has taken them.
    for (let i = 0; i < 40; i++) {
      step();
      await device.ready();
      expect(device.memory().own).toBeLessThan(64 * MIB);
    }
  });

  test("a tensor whose upload is refused takes no memory", async () => {
    using device = await openDevice("webgpu", { memoryBudget: 70 * MIB });
    const values = new Float32Array(MIB).fill(1);
    const made: { dispose(): void }[] = [];
    const piling = () => {
      for (let i = 0; i < 100; i++) made.push(tensor(values, { device }));
    };
    const { allocations } = device.memory();
    // Each takes 4 MiB and as much for its upload: after eight the ninth fits, but not its upload.
    expect(piling).toThrow(/^upload: 4\.0 MiB do not fit/);
    expect(device.memory().allocations).toBe(allocations + made.length);
    for (const t of made) t.dispose();
    expect(device.memory().allocations).toBe(allocations);
  });

  test("ready() waits for what the call before it left, and for no more", async () => {
    using device = await openDevice("webgpu");
    using a = zeros([128, 128], { device });
    const done: string[] = [];
    const work = () => scope(() => void matmul(a, a));
    await device.finish();
    await device.ready();
    work();
    const first = device.ready().then(() => done.push("first"));
    await first;
    for (let i = 0; i < 4; i++) work();
    const all = device.finish().then(() => done.push("all"));
    const second = device.ready().then(() => done.push("second"));
    await Promise.all([second, all]);
    expect(done).toEqual(["first", "second", "all"]);
  });
});

test("an error that ready() left is told once by finish(), which waits for the device all the same", async () => {
  using device = await openDevice("reference");
  let calls = 0;
  let waited = false;
  const finish = async () => {
    if (++calls === 1) throw new RangeError("failed under way");
    await new Promise((later) => setTimeout(later, 20));
    waited = true;
  };
  Object.assign(device.binding, { finish });
  await device.ready();
  await expect(device.finish()).rejects.toThrow("failed under way");
  expect(waited).toBe(true);
  await device.finish();
  await device.ready();
});

describe.each(["cpu", "reference", "webgpu", "cuda"] as const)("counters of %s", async (name) => {
  const opened = await tryOpen(name);
  opened.device?.close();
  if (!opened.device) return test.skip(`opens: ${opened.reason}`, () => {});

  test("ops, launches, uploads and what is on the tape", async () => {
    using device = await openDevice(name);
    using x = tensor([1, 2, 3, 4], { device, requiresGrad: true });
    await device.finish();
    const before = device.counters();
    expect(before.uploaded).toBeGreaterThanOrEqual(16);
    scope(() => {
      const y = scale(x, 2);
      scale(y, 3);
    });
    await device.finish();
    const after = device.counters();
    expect(after.ops - before.ops).toBe(2);
    expect(after.recorded - before.recorded).toBe(2);
    expect(after.launches - before.launches).toBe(2);
    expect(after.uploaded).toBe(before.uploaded);
    expect(after.submissions - before.submissions).toBe(name === "reference" ? 0 : 1);
    expect(after.programs - before.programs).toBe(name === "reference" ? 0 : 1);
  });
});
