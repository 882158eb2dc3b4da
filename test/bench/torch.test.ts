import { describe, expect, it } from "vitest";
import { tasksOf } from "../../bench/suites/index.js";
import { stepTask } from "../../bench/suites/step.js";
import { agrees } from "./support.js";

describe("PyTorch", () => {
  it.for([
    ["matmul", "5x7x33,5x7x33:linear,5x7x33:linear:gelu"],
    ["attention", "B2H3S17D16,B2H4G2L5S17D16:causal,B1H3L1S17D16:causal,B2H3S17D16:packed"],
    ["lora", "6x33x17x4:dropout=0.2"],
    ["launch", undefined],
  ] as const)("computes what we compute, forward and backward: %s %s", async ([suite, shapes], { skip }) => {
    await agrees("torch", tasksOf(suite, { shapes }).tasks, skip);
  });

  it("takes the same training step", async ({ skip }) => {
    await agrees("torch", [stepTask("tiny", { B: 3, Q: 9, A: 5 })], skip);
  });
});
