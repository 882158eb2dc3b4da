import { describe, expect, it } from "vitest";
import { measure } from "../../../bench/row/measure.js";
import type { Task } from "../../../bench/task.js";
import { openDevice } from "../../../engine/index.js";

/** Work that takes no time, whose results after timing are `after`. */
function work(pass: Task["pass"], before: readonly number[], after: readonly number[]): Task {
  let timed = false;
  const contender = {
    enqueue() {},
    async time(calls: number) {
      timed = true;
      return { seconds: calls * 1e-3, cpuSeconds: null };
    },
    release() {},
  };
  return {
    ...{ suite: "lora", op: "loraMatmul", pass, name: "small", shape: "6x8x10x2", options: {}, trained: [] },
    ...{ flops: null, bytes: null, tolerance: 1e-3, calls: 20 },
    prepare: async () => ({
      contender,
      inputs: async () => ({}),
      results: async () => ({ y: Float32Array.from(timed ? after : before) }),
    }),
  };
}

async function measured(...of: Parameters<typeof work>) {
  const device = await openDevice("reference");
  try {
    return await measure(work(...of), device, [], { threads: 1, seconds: 0 });
  } finally {
    device.close();
  }
}

describe("results after timing", () => {
  it("are those before, but for the case's tolerance", async () => {
    expect((await measured("forward", [1, 8], [1, 8])).samples).toBe(5);
    expect((await measured("forward", [1, 8], [1, 8.015])).medianUs).toBeCloseTo(1000, 6);
  });

  it("that are others are an error that names the row", async () => {
    const row = "bench lora: loraMatmul backward 6x8x10x2: after it was timed, its results differ from those before";
    await expect(measured("backward", [1, 8], [1, 9])).rejects.toThrow(
      `${row} by 1.3e-1 of the largest. Its times are worth nothing.`,
    );
    await expect(measured("backward", [1, 8], [1, Number.NaN])).rejects.toThrow(`${row} in size, or by a NaN.`);
    await expect(measured("backward", [1, 8], [1])).rejects.toThrow(`${row} in size, or by a NaN.`);
  });

  it("of a step, which trains, are numbers still", async () => {
    expect((await measured("step", [1, 8], [2, 9])).samples).toBe(5);
    await expect(measured("step", [1, 8], [2, Number.POSITIVE_INFINITY])).rejects.toThrow(
      "bench lora: loraMatmul step 6x8x10x2: after it was timed, its result y is not finite.",
    );
  });
});
