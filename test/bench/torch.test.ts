import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { prepareOp } from "../../bench/contenders/engine.js";
import { peersFolder } from "../../bench/contenders/index.js";
import { normals } from "../../bench/inputs.js";
import { tasksOf } from "../../bench/suites/index.js";
import { stepTask } from "../../bench/suites/step.js";
import type { Task } from "../../bench/task.js";
import type { Op } from "../../engine/dispatch/define-op.js";
import { crossEntropyOp } from "../../engine/ops/cross-entropy.js";
import { groupedTask, routingTask } from "./expert-tasks.js";
import { agrees, inputsOf, running } from "./support.js";

/** The same with a backward alone, its forward outside the clock. */
const backwards = (tasks: readonly Task[]): Task[] =>
  tasks.filter(({ trained }) => trained.length > 0).map((task) => ({ ...task, pass: "backward" }));

/** A mean of all targets is what the suite has; this is the rest. */
function lossTask(options: Readonly<Record<string, unknown>>): Task {
  const [task] = tasksOf("cross-entropy", { shapes: "13x9" }).tasks;
  const all = { reduction: "mean", labelSmoothing: 0, ignoreIndex: -100, ...options };
  const trained = ["logits"];
  return {
    ...{ ...task, options: all, trained, shape: JSON.stringify(options) },
    prepare: async (device) => {
      const logits = normals([13, 9], 0);
      const target = { shape: [13], values: Int32Array.from({ length: 13 }, (_, t) => (5 * t) % 9) };
      const dy = normals(options.reduction === "none" ? [13] : [], 1);
      const call = { op: crossEntropyOp as unknown as Op, options: all, trained, pass: task.pass };
      return prepareOp(device, call, { logits, target, dy });
    },
  };
}

describe("PyTorch", () => {
  it.for([
    ["matmul", "5x7x33,5x7x33:linear,5x7x33:linear:gelu"],
    ["attention", "B2H3S17D16,B2H4G2L5S17D16:causal,B1H3L1S17D16:causal,B1H2L9S5D16:causal,B2H3S17D16:packed"],
    ["lora", "6x33x17x4:dropout=0.2"],
    ["launch", undefined],
    ["layer-norm", "13x33"],
    ["cross-entropy", "13x33"],
    ["adamw", "3x5x7"],
  ] as const)("computes what we compute, forward and backward: %s %s", async ([suite, shapes], { skip }) => {
    await agrees("torch", tasksOf(suite, { shapes }).tasks, skip);
  });

  it("runs a backward alone, forwards outside the clock", async ({ skip }) => {
    const tasks = [
      ...tasksOf("attention", { shapes: "B2H3S17D16" }).tasks,
      ...tasksOf("lora", { shapes: "6x33x17x4" }).tasks,
      ...tasksOf("moe", { shapes: "9x8x12x4x2" }).tasks,
    ];
    await agrees("torch", backwards(tasks), skip);
    const peer = await running("torch", skip);
    const [step] = backwards([stepTask("tiny", { B: 3, Q: 9, A: 5 })].map((task) => ({ ...task, trained: ["x"] })));
    await expect(peer.prepare(step, { x: { shape: [1], values: new Float32Array(1) } })).rejects.toThrow(
      "nobody has written a backward alone of MissNetwork in PyTorch here",
    );
  });

  it("multiplies rows by expert, grouped and in a loop", async ({ skip }) => {
    const tasks = [
      groupedTask("gather", "forward"),
      groupedTask("grouped", "forward+backward", false),
      groupedTask("gather", "backward"),
    ];
    await agrees("torch", tasks, skip);
    const peer = await running("torch", skip);
    const forms = await peer.prepare(tasks[0], await inputsOf(tasks[0]));
    expect(forms.map(({ form }) => form)).toEqual(["grouped_mm", "loop over experts"]);
  });

  it("routes by softmax, by sigmoid with a bias, and in groups; with a gradient", async ({ skip }) => {
    const deepSeek = { topK: 3, score: "sigmoid", normalize: true, epsilon: 1e-20, scale: 2.5 } as const;
    const tasks = [
      routingTask({ topK: 2, normalize: true }),
      routingTask({ topK: 2, score: "topKSoftmax" }, "forward+backward"),
      routingTask({ ...deepSeek, groups: 4, topGroups: 2 }, "forward", true),
      routingTask({ topK: 2 }, "backward"),
    ];
    await agrees("torch", tasks, skip);
  });

  it("has a loss that is smoothed, summed or by token, with tokens that do not count", async ({ skip }) => {
    const [smoothed, summed, byToken] = (
      [
        { labelSmoothing: 0.1, ignoreIndex: 0 },
        { labelSmoothing: 0.2, reduction: "sum" },
        { reduction: "none", ignoreIndex: 5 },
      ] as const
    ).map((options) => lossTask(options));
    await agrees("torch", [smoothed, summed, byToken], skip);
    const peer = await running("torch", skip);
    const forms = await peer.prepare(smoothed, await inputsOf(smoothed));
    expect(forms.map(({ form }) => form)).toEqual(["cross_entropy", "logsumexp - logit"]);
  });

  it("steps by every implementation of AdamW, and multiplies by an adapter in three ways", async ({ skip }) => {
    const peer = await running("torch", skip);
    const names = async (suite: "adamw" | "lora" | "attention", shapes: string) => {
      const [task] = tasksOf(suite, { shapes }).tasks;
      return (await peer.prepare(task, await inputsOf(task))).map(({ form }) => form);
    };
    expect(await names("adamw", "1x2x3")).toEqual(["fused", "foreach", "for-loop"]);
    expect(await names("lora", "6x33x17x4")).toEqual(["peft", "added by the product", "merged in every call"]);
    expect(await names("attention", "B1H1S8D16")).toEqual(["flash", "math"]);
  });

  it("says why a backend of attention refuses", async ({ skip }) => {
    await running("torch", skip);
    const script = `
import torch
from torch_attention import Attention, by_backends
q = torch.randn(1, 8, 2, 16)
for name, case in by_backends(Attention, torch.device("cpu")):
    made = case({"q": q, "k": q, "v": q}, {}, [])
    made.once = lambda dropout: made.forward(0.5)
    try:
        with made.conditions():
            print(name, list(made.results()))
    except RuntimeError as error:
        print(name, error)`;
    const python = process.env.CONSILIUM_PYTHON ?? "python3";
    const env = { ...process.env, PYTHONPATH: peersFolder, PYTHONDONTWRITEBYTECODE: "1" };
    const { stdout } = await promisify(execFile)(python, ["-c", script], { env });
    expect(stdout).toMatch(/^flash .*do not support non-zero dropout\.\nmath \['y'\]\n$/);
  });

  it("takes the same training step", async ({ skip }) => {
    const task = stepTask("tiny", { B: 3, Q: 9, A: 5 });
    await agrees("torch", [task], skip);
    const peer = await running("torch", skip);
    const forms = await peer.prepare(task, await inputsOf(task));
    expect(forms.map(({ form }) => form)).toEqual(["fused AdamW", "foreach AdamW"]);
  });

  it.for(["torch", "torch-loop", "transformers"] as const)(
    "mixes experts as we do, forward and backward: %s",
    { timeout: 120_000 },
    async (name, { skip }) => {
      const shapes = "9x8x12x4x2";
      const tasks = [tasksOf("moe", { shapes }), tasksOf("moe", { shapes, routing: "one-hot" })].flatMap(
        (t) => t.tasks,
      );
      await agrees(name, [...tasks, ...backwards(tasks)], skip);
    },
  );

  it("has its other ways for mixtures only", async ({ skip }) => {
    const peer = await running("torch-loop", skip);
    const [task] = tasksOf("matmul", { shapes: "2x2x2" }).tasks;
    const input = { shape: [2, 2], values: new Float32Array(4) };
    await expect(peer.prepare(task, { a: input, b: input })).rejects.toThrow(
      "it is a way to run a mixture of experts, not matmul",
    );
    const grouped = await running("torch", skip);
    await expect(grouped.prepare({ ...task, op: "gradNorm" }, { a: input })).rejects.toThrow(
      "nobody has written gradNorm in PyTorch here",
    );
  });

  it("runs every expert backend of transformers that is for the processor", { timeout: 120_000 }, async ({ skip }) => {
    const peer = await running("transformers", skip);
    const [task] = tasksOf("moe", { shapes: "9x8x12x4x2" }).tasks;
    const forms = await peer.prepare(task, await inputsOf(task));
    expect(forms.map(({ form, error }) => [form, error])).toEqual([
      ["eager", undefined],
      ["batched_mm", undefined],
      ["grouped_mm", undefined],
    ]);
    expect(peer.version).toMatch(/^\d+\.\d+\.\d+ on PyTorch /);
  });
});
