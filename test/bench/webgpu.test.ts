import { describe, expect, it } from "vitest";
import { openPeers } from "../../bench/contenders/index.js";
import { tasksOf } from "../../bench/suites/index.js";
import { openDevice } from "../../engine/index.js";
import { required } from "../support/devices.js";
import { agrees } from "./support.js";

describe.for(["tfjs", "jax"] as const)("%s on WebGPU", (name) => {
  it("is a blank with its reason on other devices", async () => {
    const [{ peer, reason }] = await openPeers([name], { threads: 1, device: "cpu" });
    expect(peer).toBeNull();
    expect(reason).toBe(`${name} is compared on WebGPU: --device webgpu`);
  });

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
      await agrees(name, tasksOf(suite, shapes), skip, "webgpu");
    },
  );
});

describe("onnxruntime-node on WebGPU", () => {
  it("has no MoE that runs there, and runs nothing on the CPU instead", { timeout: 300_000 }, async ({ skip }) => {
    const [{ peer, reason }] = await openPeers(["ort"], { threads: 1, device: "webgpu" });
    if (!peer) {
      if (required.has("peers")) throw new Error(reason);
      return skip(reason);
    }
    const device = await openDevice("webgpu", { threads: 1 });
    try {
      const [task] = tasksOf("moe", "9x8x12x3x2");
      const ours = await task.prepare(device);
      const forms = await peer.prepare(task, await ours.inputs());
      expect(forms.find(({ form }) => form === "MoE")?.error).toContain(
        "fallback to CPU EP has been explicitly disabled",
      );
      for (const { contender } of forms) await contender.release();
      await ours.contender.release();
    } finally {
      device.close();
    }
  });

  it.for([
    ["matmul", "5x7x33,5x7x33:linear:gelu"],
    ["attention", "B2H3S17D16"],
    ["layer-norm", "7x33"],
    ["moe", "9x8x12x3x2"],
  ] as const)(
    "computes what we compute, from and to buffers of the device: %s %s",
    { timeout: 300_000 },
    async ([suite, shapes], { skip }) => {
      const forwards = tasksOf(suite, shapes).filter((task) => task.pass === "forward");
      await agrees("ort", forwards, skip, "webgpu");
    },
  );
});
