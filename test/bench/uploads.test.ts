import { afterAll, describe, expect, it, vi } from "vitest";
import { tasksOf } from "../../bench/suites/index.js";
import type { Suite } from "../../bench/suites/names.js";
import type { Prepared, Task } from "../../bench/task.js";
import { type Device, openDevice } from "../../engine/index.js";

const device = await openDevice("cpu", { threads: 1 });
afterAll(() => device.close());

/** Lets `f` fail at its n-th allocation; whether it came to that. */
async function failingAt(n: number, f: () => unknown): Promise<boolean> {
  let count = 0;
  const allocate = device.allocate.bind(device);
  const spy = vi.spyOn(device, "allocate").mockImplementation((...args: Parameters<Device["allocate"]>) => {
    if (++count === n) throw new Error("no memory");
    return allocate(...args);
  });
  try {
    await f();
    return false;
  } catch (error) {
    expect((error as Error).message).toBe("no memory");
    return true;
  } finally {
    spy.mockRestore();
  }
}

const tasks = (
  [
    ["matmul", "4x5x6", "forward"],
    ["lora", "4x5x6x2", "both"],
    ["grouped-gemm", "9x8x12x3x2", "backward"],
    ["moe", "9x8x12x3x2:gelu:bias:meta", "both"],
    ["launch", undefined, undefined],
  ] as const
).flatMap(([suite, shapes, pass]): Task[] => [...tasksOf(suite as Suite, { shapes, pass }).tasks]);

describe("an upload that fails", () => {
  it.each(tasks)("leaves none of those before it: $op $pass", async (task) => {
    const { live } = device.memory();
    let failures = 0;
    for (let failed = true; failed; ) {
      let made: Prepared | undefined;
      failed = await failingAt(failures + 1, async () => {
        made = await task.prepare(device);
      });
      await made?.contender.release();
      expect(device.memory().live, `at allocation ${failures + 1}`).toBe(live);
      if (failed) failures++;
    }
    // At least one of each of two inputs.
    expect(failures).toBeGreaterThanOrEqual(2);
  });

  it.each(tasks.filter(({ op }) => op !== "add"))("leaves whole sets of copies: $op $pass", async (task) => {
    const { live } = device.memory();
    const made = await task.prepare(device);
    const one = device.memory().live - live;
    let failures = 0;
    while (await failingAt(++failures, () => made.rotate?.(2))) expect(device.memory().live - live).toBe(one);
    expect(failures).toBeGreaterThan(2);
    expect(device.memory().live - live).toBe(2 * one);
    await made.contender.release();
    expect(device.memory().live).toBe(live);
  });
});
