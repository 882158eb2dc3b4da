import { describe, expect, it } from "vitest";
import { tasksOf } from "../../bench/suites/index.js";
import { agrees, inputsOf, running } from "./support.js";

describe.for(["tfjs", "jax"] as const)("%s on WebGPU", (name) => {
  it.for([
    ["matmul", "5x7x33:linear"],
    ["attention", "B2H3S17D16:causal,B2H3S17D16:packed"],
    ["layer-norm", "7x33"],
    ["cross-entropy", "5x33"],
    ["adamw", "3x5x7"],
    ["moe", "9x8x12x3x2"],
  ] as const)(
    "computes what we compute, forward and backward: %s %s",
    { timeout: 300_000 },
    async ([suite, shapes], { skip }) => {
      await agrees(name, tasksOf(suite, { shapes }).tasks, skip, { device: "webgpu" });
    },
  );
});

it.for(["tfjs-lists", "jax-lists"] as const)(
  "%s computes what we compute, given each expert's rows",
  { timeout: 300_000 },
  async (name, { skip }) => {
    await agrees(name, tasksOf("moe", { shapes: "9x8x12x3x2" }).tasks, skip, { device: "webgpu" });
  },
);

describe("onnxruntime-node on WebGPU", () => {
  const device = "webgpu";

  it("has no MoE that runs there, and runs nothing on the CPU instead", { timeout: 300_000 }, async ({ skip }) => {
    const peer = await running("ort", skip, { device });
    const [task] = tasksOf("moe", { shapes: "9x8x12x3x2" }).tasks;
    const forms = await peer.prepare(task, await inputsOf(task));
    expect(forms.find(({ form }) => form === "MoE")?.error).toContain(
      "fallback to CPU EP has been explicitly disabled",
    );
    for (const { contender } of forms) await contender.release();
  });

  it.for([
    ["matmul", "5x7x33,5x7x33:linear:gelu"],
    ["attention", "B2H3S17D16"],
    ["layer-norm", "7x33"],
    ["moe", "9x8x12x3x2"],
    ["moe", "9x8x12x4x2", "one-hot"],
  ] as const)(
    "computes what we compute, from and to buffers of the device: %s %s %s",
    { timeout: 300_000 },
    async ([suite, shapes, routing], { skip }) => {
      await agrees("ort", tasksOf(suite, { shapes, routing, pass: "forward" }).tasks, skip, { device: "webgpu" });
    },
  );

  it("runs all forms of a mixture but its MoE, apart from those that are given each expert's rows", {
    timeout: 300_000,
  }, async ({ skip }) => {
    const [task] = tasksOf("moe", { shapes: "9x8x12x4x2", routing: "one-hot" }).tasks;
    const inputs = await inputsOf(task);
    const forms: Record<string, (string | undefined)[]> = {};
    for (const name of ["ort", "ort-lists"]) {
      const peer = await running(name, skip, { device });
      const found = await peer.prepare(task, inputs);
      forms[name] = found.filter(({ error }) => !error).map(({ form }) => form);
      if (name === "ort-lists") expect(found[0].note).toBe("each expert's rows are given for nothing");
      for (const { contender } of found) await contender.release();
    }
    expect(forms).toEqual({
      ort: [
        "dense, batched",
        "dense, expert by expert",
        "routed by the host, expert by expert",
        "routed by the host, padded to the largest",
      ],
      "ort-lists": ["gathered, expert by expert", "gathered, padded to the largest"],
    });
  });

  it("is given no lists where there are none", async ({ skip }) => {
    const peer = await running("ort-lists", skip, { device });
    const [task] = tasksOf("matmul", { shapes: "5x7x33" }).tasks;
    const input = { shape: [1, 1], values: new Float32Array(1) };
    await expect(peer.prepare(task, { a: input, b: input })).rejects.toThrow(
      "no form of matmul is given what others find out",
    );
  });
});
