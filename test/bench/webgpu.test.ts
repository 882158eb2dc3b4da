import { describe, expect, it } from "vitest";
import { openPeers } from "../../bench/contenders/index.js";
import { tasksOf } from "../../bench/suites/index.js";
import { agrees } from "./support.js";

describe.for(["tfjs", "jax"] as const)("%s on WebGPU", (name) => {
  it("is a blank with its reason on other devices", async () => {
    const [{ peer, reason }] = await openPeers([name], { threads: 1, device: "cpu" });
    expect(peer).toBeNull();
    expect(reason).toBe(`${name} is compared on WebGPU: --device webgpu`);
  });

  it.for([
    ["matmul", "5x7x33:linear"],
    ["attention", "B2H3S17D16:causal"],
  ] as const)(
    "computes what we compute, forward and backward: %s %s",
    { timeout: 300_000 },
    async ([suite, shapes], { skip }) => {
      await agrees(name, tasksOf(suite, shapes), skip, "webgpu");
    },
  );
});
