import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { checkedOptions } from "../../bench/options.js";
import { type BenchOptions, runBench } from "../../bench/run.js";
import { OptionError } from "../../engine/index.js";

describe("options of runBench", () => {
  it("have the command's defaults", () => {
    const threads = [availableParallelism()];
    expect(checkedOptions({})).toEqual({ device: "cpu", budgetSeconds: 120, peerLimitSeconds: 60, threads });
  });

  it.each<[object, RegExp]>([
    [{ budget: 3 }, /there is no option "budget"\..* Options: shapes, /],
    [{ pass: "forwards" }, /pass "forwards": .*Did you mean "forward"\? It takes forward, backward, both\./],
    [{ dtype: "f64" }, /dtype "f64": .*It takes f32, bf16, f16\./],
    [{ routing: "zip" }, /routing "zip": .*Did you mean "zipf"\?/],
    [{ budgetSeconds: Number.NaN }, /budgetSeconds NaN: it is a number of seconds from 0\./],
    [{ peerLimitSeconds: -1 }, /peerLimitSeconds -1: /],
    [{ threads: 0 }, /threads are a whole number from 1 to 1024, or several of them, not 0\./],
    [{ threads: [] }, /not none\./],
    [{ threads: [1, 2], device: "webgpu" }, /webgpu has no threads of ours/],
  ])("refuse %o before anything is measured", async (options, message) => {
    const refused = runBench("matmul", options as BenchOptions);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(OptionError);
  });
});
