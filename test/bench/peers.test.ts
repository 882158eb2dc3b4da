import { describe, expect, it } from "vitest";
import { openPeers } from "../../bench/contenders/index.js";
import { PEERS, peerNames, peersOn } from "../../bench/contenders/names.js";
import { tasksOf } from "../../bench/suites/index.js";
import { groupedTask, routingTask } from "./expert-tasks.js";
import { agrees, running } from "./support.js";

describe("names of peers", () => {
  const refused = (name: string, device = "cpu") => openPeers([name], { threads: 1, device });

  it("that are unknown list those that are, and those of the device, and suggest the nearest", async () => {
    const known = `Known: ${peerNames.join(", ")}; on webgpu: ${peersOn("webgpu").join(", ")}.`;
    await expect(refused("numpy", "webgpu")).rejects.toThrow(`bench: unknown peer "numpy". ${known}`);
    await expect(refused("trch")).rejects.toThrow('bench: unknown peer "trch". Did you mean "torch"? Known: ');
    await expect(refused("toString")).rejects.toThrow('unknown peer "toString"');
  });

  it.for([
    ["cublas", "torch"],
    ["TensorFlow", "tfjs"],
    ["onnxruntime", "ort"],
  ])("%s is known as %s", async ([name, meant]) => {
    await expect(refused(name)).rejects.toThrow(`unknown peer "${name}". Did you mean "${meant}"? `);
  });

  it("are blanks with the reason on devices and in types that they are not compared on", async () => {
    const of = async (name: string, device: string, dtype: "f32" | "bf16" = "f32") =>
      (await openPeers([name], { threads: 1, device, dtype }))[0].reason;
    // They would compute on the processor without a word.
    expect(await of("ort", "cuda:1")).toBe("it is compared on cpu and webgpu, not on cuda");
    expect(await of("torch", "webgpu")).toBe("it is compared on cpu and cuda, not on webgpu");
    expect(await of("loops", "webgpu")).toBe("it is compared on reference and cpu, not on webgpu");
    expect(await of("tfjs", "cpu", "bf16")).toBe("it computes in f32 here");
  });

  it("have words about each, and a device", () => {
    for (const { what, devices } of Object.values(PEERS)) {
      expect(what).not.toBe("");
      expect(devices.length).toBeGreaterThan(0);
    }
  });

  it.for(["ort", "tfjs", "tfjs-node", "jax"] as const)("%s that is not installed says how", async (name) => {
    const [{ reason }] = await openPeers([name], { threads: 1, device: "cpu", folder: "/" });
    expect(reason).toMatch(/^[@\w/-]+: it is not installed\. Install it with: npm i --prefix bench\/peers /);
  });
});

const forwards = (suite: Parameters<typeof tasksOf>[0], shapes: string) =>
  tasksOf(suite, { shapes }).tasks.filter(({ pass }) => pass === "forward");

describe("loops", () => {
  it.for([
    ["matmul", "5x7x33,5x7x33:linear,5x7x33:linear:gelu,9x130x300"],
    ["attention", "B2H3S17D16,B2H4G2L5S17D16:causal,B1H3L1S17D16:causal,B1H2L9S5D16:causal,B2H3S17D16:packed"],
    ["moe", "9x8x12x3x2"],
  ] as const)("compute what we compute: %s %s", async ([suite, shapes], { skip }) => {
    await agrees("loops", forwards(suite, shapes), skip);
  });

  it("compute the backward of LoRA, and say of others that they have none", async ({ skip }) => {
    await agrees("loops", tasksOf("lora", { shapes: "6x33x17x4" }).tasks, skip);
    const peer = await running("loops", skip);
    const [, both] = tasksOf("moe", { shapes: "9x8x12x3x2" }).tasks;
    await expect(peer.prepare(both, { x: { shape: [1, 1], values: new Float32Array(1) } })).rejects.toThrow();
    const input = { shape: [2, 2], values: new Float32Array(4) };
    const [, attention] = tasksOf("attention", { shapes: "B1H1S2D2" }).tasks;
    await expect(peer.prepare(attention, { q: input, k: input, v: input, dy: input })).rejects.toThrow(
      "plain loops have no backward of attention",
    );
    await expect(peer.prepare({ ...attention, op: "adamw" }, { x: input })).rejects.toThrow(
      "there are no plain loops of adamw",
    );
    await expect(peer.prepare({ ...attention, op: "matmul", pass: "backward" }, { x: input })).rejects.toThrow(
      "plain loops run a backward together with its forward only",
    );
  });
});

describe.for(["tfjs", "jax"] as const)("%s in WebAssembly", (name) => {
  it.for([
    ["matmul", "5x7x33,5x7x33:linear"],
    ["lora", "6x33x17x4"],
    ["attention", "B2H3S17D16,B2H3S17D16:packed"],
    ["layer-norm", "7x33"],
    ["moe", "9x8x12x3x2"],
  ] as const)(
    "computes what we compute, forward and backward: %s %s",
    { timeout: 120_000 },
    async ([suite, shapes], { skip }) => {
      await agrees(name, tasksOf(suite, { shapes }).tasks, skip);
    },
  );

  it("says what it does not run", async ({ skip }) => {
    const peer = await running(name, skip);
    const [task] = tasksOf("matmul", { shapes: "2x2x2" }).tasks;
    const input = { shape: [2, 2], values: new Float32Array(4) };
    await expect(peer.prepare({ ...task, op: "gradNorm" }, { x: input })).rejects.toThrow(
      /nobody has composed gradNorm of (TensorFlow\.js|jax-js) here/,
    );
    await expect(peer.prepare({ ...task, pass: "backward" }, { a: input, b: input })).rejects.toThrow(/a backward/);
  });
});

describe.for(["loops", "tfjs"] as const)("%s", (name) => {
  it("multiplies rows by expert", async ({ skip }) => {
    const both = [groupedTask("gather", "forward"), groupedTask("grouped", "forward", false)];
    await agrees(name, name === "tfjs" ? [...both, groupedTask("gather", "forward+backward")] : both, skip);
  });

  it("routes by softmax, normalised or not, of all or of those chosen", async ({ skip }) => {
    const tasks = [
      routingTask({ topK: 2 }),
      routingTask({ topK: 2, normalize: true, scale: 2.5 }),
      routingTask({ topK: 3, score: "topKSoftmax", countFirst: true }),
    ];
    await agrees(name, tasks, skip);
    const peer = await running(name, skip);
    const logits = { shape: [2, 4], values: new Float32Array(8) };
    await expect(peer.prepare(routingTask({ topK: 2, groups: 2 }), { logits })).rejects.toThrow(/softmax routing/);
  });
});

it("jax computes the same on two threads", async ({ skip }) => {
  await agrees("jax", tasksOf("matmul", { shapes: "64x64x64:linear" }).tasks, skip, { threads: 2 });
});

it.for(["tfjs-lists", "jax-lists"] as const)(
  "%s computes what we compute on the cpu, given each expert's rows",
  async (name, { skip }) => {
    await agrees(name, forwards("moe", "9x8x12x3x2"), skip);
  },
);

describe("tfjs-node", () => {
  it.for([
    ["matmul", "5x7x33:linear"],
    ["lora", "6x33x17x4"],
    ["attention", "B2H3S17D16:packed"],
    ["moe", "9x8x12x3x2"],
  ] as const)("computes what we compute, forward and backward: %s %s", async ([suite, shapes], { skip }) => {
    await agrees("tfjs-node", tasksOf(suite, { shapes }).tasks, skip);
  });
});
