import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, nn, openDevice } from "../../engine/index.js";
import { presets } from "../../models/miss/config.js";
import { MissNetwork } from "../../models/miss/network.js";
import { applyIa3 } from "../../models/peft/ia3.js";
import { applyLora } from "../../models/peft/lora.js";
import { applyPrefix } from "../../models/peft/prefix.js";
import type { Targets } from "../../models/peft/targets.js";

let device: Device;
let network: MissNetwork;
const init = () => new nn.Initializer(device, 1, { empty: true });
const lora = { r: 2, alpha: 4 };

beforeAll(async () => {
  device = await openDevice("reference");
});
afterAll(() => device.close());

const fresh = () => {
  network = new MissNetwork(init(), { ...presets.tiny, vocab: 200, layers: 1, visionDepth: 1 });
  return network;
};

describe("names hit what PEFT's hit", () => {
  test.each<[string, Targets, string[]]>([
    ["a whole path", ["bert.encoder.layer.0.attention.self.query"], ["bert.encoder.layer.0.attention.self.query"]],
    [
      "the end of a path: a name hits attention and cross-attention",
      ["query"],
      ["bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.0.crossattention.self.query"],
    ],
    [
      "two names at the end: three modules a layer",
      ["output.dense"],
      [
        "bert.encoder.layer.0.attention.output.dense",
        "bert.encoder.layer.0.crossattention.output.dense",
        "bert.encoder.layer.0.output.dense",
      ],
    ],
    [
      "an expression that the whole path must fit",
      /.*\.crossattention\.self\.(key|value)/,
      ["bert.encoder.layer.0.crossattention.self.key", "bert.encoder.layer.0.crossattention.self.value"],
    ],
    ["no part of a name", ["intermediate.dense", "uery"], ["bert.encoder.layer.0.intermediate.dense"]],
  ])("%s", (_, targets, hit) => {
    using all = fresh();
    expect(applyLora(all.text_decoder, init(), targets, lora)).toEqual(hit);
  });

  test("`proj` hits the patch embedding of a vision transformer, too", () => {
    using all = fresh();
    expect(applyLora(all.visual_encoder, init(), ["proj"], lora)).toEqual(["patch_embed.proj", "blocks.0.attn.proj"]);
    expect(all.visual_encoder.patch_embed.proj).toBeInstanceOf(nn.LoraPatchEmbed);
  });

  test("all linear layers", () => {
    using all = fresh();
    expect(applyLora(all.text_decoder, init(), "all-linear", lora)).toHaveLength(4 + 4 + 2 + 1);
  });
});

test.each([true, false])("what a method adds is in the mode of what it stands around: training %s", (training) => {
  using all = fresh();
  const { text_encoder, text_decoder } = all.train(training);
  applyLora(text_decoder, init(), ["query"], { ...lora, dropout: 0.1 });
  applyIa3(text_decoder, init(), { targets: ["key"], feedforward: [] });
  applyPrefix(text_encoder, init(), { tokens: 2, projection: true });
  applyPrefix(text_encoder, init(), { tokens: 2, projection: false }, "other");
  for (const [path, module] of all.namedModules()) expect(module.training, path).toBe(training);
});

test("the newest adapter alone is in use: a prefix and branches do not go on beside each other", () => {
  using all = fresh();
  const { text_decoder: root } = all;
  const inUse = () => [...root.namedModules()].flatMap(([, m]) => (m instanceof nn.AdapterLayer ? [m.active] : []));
  applyLora(root, init(), ["attention.self.query"], lora, "branch");
  applyPrefix(root, init(), { tokens: 2, projection: false }, "front");
  expect([inUse(), root.prompt_encoder?.active]).toEqual([[null], "front"]);
  applyLora(root, init(), ["attention.self.value"], lora, "other");
  expect([inUse(), root.prompt_encoder?.active]).toEqual([[null, "other"], null]);
});

describe("refused, and nothing is changed", () => {
  test.each<[string, (root: nn.Module) => unknown, string]>([
    [
      "no such name",
      (root) => applyLora(root, init(), ["quary"], lora),
      'no module is called quary. Did you mean "query"?',
    ],
    [
      "an expression that fits nothing",
      (root) => applyLora(root, init(), /query/, lora),
      "fits no path of the model's modules",
    ],
    [
      "layers that are not linear",
      (root) => applyLora(root, init(), ["LayerNorm"], lora),
      "it has no form for bert.embeddings.LayerNorm",
    ],
  ])("%s", (_, apply, text) => {
    using all = fresh();
    const before = [...all.namedParameters()].map(([name]) => name);
    expect(() => apply(all.text_decoder)).toThrow(text);
    expect([...all.namedParameters()].map(([name]) => name)).toEqual(before);
    expect([...all.parameters()].every((p) => p.requiresGrad)).toBe(true);
  });

  test("two methods on one module", () => {
    using all = fresh();
    const { text_decoder: root } = all;
    applyLora(root, init(), ["value"], lora);
    const before = [...root.namedParameters()].map(([name]) => name);
    expect(() => applyIa3(root, init(), { targets: ["key", "value"], feedforward: [] })).toThrow(
      "IA3: bert.encoder.layer.0.attention.self.value has LoRA already. A module takes one method",
    );
    expect([...root.namedParameters()].map(([name]) => name)).toEqual(before);
  });
});
