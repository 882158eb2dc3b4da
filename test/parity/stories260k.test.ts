import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { noGrad } from "../../engine/index.js";
import { scope } from "../../engine/scope.js";
import { tensor } from "../../engine/tensor.js";
import { loadLlama } from "../../examples/stories260k/checkpoint.js";
import { greedy } from "../../examples/stories260k/generate.js";
import { KeyValueCache } from "../../examples/stories260k/model.js";
import { Vocabulary } from "../../examples/stories260k/vocabulary.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { shortened } from "../support/simulated.js";

/** The published weights and what a plain implementation makes of them: data/stories260k/ORIGIN. */
const file = (name: string) => readFileSync(new URL(`../../data/stories260k/${name}`, import.meta.url));
const expected = JSON.parse(file("expected.json").toString()) as {
  ids: number[];
  text: string;
  logits_at_position_0: number[];
};
const BOS = 1;
/** Logits reach 10; f32 sums of up to 172 products through 5 layers. */
const TOLERANCE = 1e-5;

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("stories260K on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());
  const model = loadLlama(file("stories260K.bin"), device);

  test("logits at position 0", async () => {
    using cache = new KeyValueCache(model.config, device);
    using logits = noGrad(() => scope(() => model.forward(tensor([[BOS]], { device, dtype: "i32" }), cache, 0)));
    expectClose("logits", await logits.data(), expected.logits_at_position_0, TOLERANCE);
  });

  test.skipIf(shortened)("greedy tokens and text", async () => {
    const live = device.memory().allocations;
    const ids: number[] = [];
    for await (const id of greedy(model, BOS, expected.ids.length)) ids.push(id);
    expect(ids).toEqual(expected.ids);
    expect(new Vocabulary(file("tok512.bin"), model.config.vocabulary).decode(ids)).toBe(expected.text);
    expect(device.memory().allocations).toBe(live);
  });

  test("several tokens at once fill the cache as one by one", async () => {
    const prompt = [BOS, ...expected.ids.slice(0, 30)];
    using cache = new KeyValueCache(model.config, device);
    using logits = noGrad(() => scope(() => model.forward(tensor([prompt], { device, dtype: "i32" }), cache, 0)));
    const values = await logits.data();
    const V = model.config.vocabulary;
    const best = prompt.map((_, i) => {
      const row = values.subarray(i * V, (i + 1) * V);
      return row.indexOf(Math.max(...row));
    });
    expect(best).toEqual(expected.ids.slice(0, prompt.length));
  });

  test("a truncated file", () => {
    expect(() => loadLlama(file("stories260K.bin").subarray(0, 500_000), device)).toThrow(
      /^llama2\.c model: the file ends inside layers\.\d\.[a-z_0-9.]+\.$/,
    );
  });
});
