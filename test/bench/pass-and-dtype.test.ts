import { describe, expect, it } from "vitest";
import { tasksOf } from "../../bench/suites/index.js";
import type { Suite } from "../../bench/suites/names.js";
import { openDevice } from "../../engine/index.js";

describe("--pass", () => {
  const passes = (suite: Suite, pass?: "forward" | "backward" | "both", shapes?: string) => [
    ...new Set(tasksOf(suite, { pass, shapes }).tasks.map((task) => task.pass)),
  ];

  it("chooses what is timed; without it, a suite's own", () => {
    expect(passes("moe")).toEqual(["forward", "forward+backward"]);
    expect(passes("matmul")).toEqual(["forward"]);
    expect(passes("matmul", "both")).toEqual(["forward+backward"]);
    expect(passes("attention", "backward")).toEqual(["backward"]);
    expect(passes("cross-entropy", "forward")).toEqual(["forward"]);
    expect(passes("launch", "forward")).toEqual(["forward"]);
  });

  it("is refused where a suite has it not, and skipped among all", () => {
    expect(() => tasksOf("step", { pass: "backward" })).toThrow("bench step: it times step alone, not backward.");
    expect(() => tasksOf("decode", { pass: "both" })).toThrow(
      "bench decode: it times forward alone, not forward+backward.",
    );
    const { tasks, skipped } = tasksOf("all", { pass: "backward" });
    expect([...new Set(tasks.map(({ pass }) => pass))]).toEqual(["backward"]);
    expect([...new Set(skipped.map(({ suite }) => suite))]).toEqual(["decode", "adamw", "step", "launch", "replay"]);
    expect(skipped.find(({ suite }) => suite === "adamw")).toEqual({
      ...{ suite: "adamw", op: "AdamW", pass: "backward", shape: "16x512x512" },
      reason: "it times step alone, not backward",
    });
  });
});

describe("--dtype", () => {
  const small: [Suite, string][] = [
    ["moe", "9x8x12x3x2:gelu:bias:meta"],
    ["grouped-gemm", "9x8x12x3x2"],
    ["attention", "B1H2S5D4,B1H2S5D4:packed"],
    ["decode", "B2H4G2L1S9D8,2x8x12:linear,2x8x12x3x2"],
    ["lora", "6x8x10x2"],
    ["matmul", "8x9x10,5x7x6:linear:gelu"],
    ["layer-norm", "3x8"],
    ["cross-entropy", "4x9"],
  ];

  it.each(small)("%s computes in each that it has, in every pass: %s", async (suite, shapes) => {
    const device = await openDevice("cpu", { threads: 1 });
    try {
      const passes = suite === "decode" ? (["forward"] as const) : (["forward", "backward", "both"] as const);
      for (const pass of passes)
        for (const dtype of ["f32", "bf16", "f16"] as const)
          for (const task of tasksOf(suite, { shapes, pass, dtype }).tasks) {
            const made = await task.prepare(device, dtype);
            for (const values of Object.values(await made.results()))
              expect(values.every(Number.isFinite), `${task.op} ${task.pass} ${dtype}`).toBe(true);
            await made.contender.time(1);
            await made.contender.release();
          }
    } finally {
      device.close();
    }
  });

  it("is refused where a suite has f32 alone, and skipped among all", () => {
    expect(() => tasksOf("routing", { dtype: "bf16" })).toThrow(
      "bench routing: its rows are in f32 alone, not in bf16.",
    );
    const { tasks, skipped } = tasksOf("all", { dtype: "f16" });
    expect([...new Set(skipped.map(({ suite, reason }) => `${suite}: ${reason}`))]).toEqual(
      ["routing", "adamw", "step", "launch", "replay"].map((suite) => `${suite}: it is in f32 alone, not in f16`),
    );
    for (const { dtypes } of tasks) expect(dtypes).toContain("f16");
  });
});
