import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { io } from "../../engine/index.js";
import { CLIP_VIT_L_14_336, parseClipConfig } from "../../models/clip/config.js";
import { medMoeConfigJson, moeLayers, parseMedMoeConfig } from "../../models/med-moe/folder/config.js";
import { countMedMoe } from "../../models/med-moe/folder/count.js";

type Json = Record<string, unknown> & { moe: Record<string, unknown> };
const read = (name: string): Json =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`../fixtures/med-moe/${name}`, import.meta.url)), "utf8"));
const parse = (json: unknown) => parseMedMoeConfig(json, "config.json");

/** Sizes of the published models. */
const published = {
  stablelm: {
    ...read("stablelm/config.json"),
    vocab_size: 100352,
    hidden_size: 2048,
    intermediate_size: 5632,
    num_hidden_layers: 24,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    mm_hidden_size: 1024,
    max_position_embeddings: 4096,
    moe: {
      ...read("stablelm/config.json").moe,
      moe_layers_idx: moeLayers("sparse", 24),
      num_experts: Array(12).fill(4),
    },
  },
  phi: {
    ...read("phi/config.json"),
    vocab_size: 51200,
    hidden_size: 2560,
    intermediate_size: 10240,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    mm_hidden_size: 1024,
    max_position_embeddings: 2048,
    moe: { ...read("phi/config.json").moe, moe_layers_idx: moeLayers("sparse", 32), num_experts: Array(16).fill(4) },
  },
};

describe("the published sizes", () => {
  test.each([
    ["stablelm", 3_615_361_072, 2_059_849_776, 6_295_552],
    ["phi", 6_448_746_560, 3_618_862_144, 9_180_160],
  ] as const)("%s: stored and activated parameters", (family, stored, activated, projector) => {
    const config = parse(published[family]);
    expect(countMedMoe(config, CLIP_VIT_L_14_336)).toEqual({ stored, activated, tower: 303_507_456, projector });
  });

  test("dense language models, and the old release without meta expert and router bias", () => {
    const dense = (family: "stablelm" | "phi") =>
      countMedMoe({ ...parse(published[family]), moe: null }, CLIP_VIT_L_14_336).activated;
    expect(dense("stablelm")).toBe(1_644_515_328);
    expect(dense("phi")).toBe(2_779_632_640);
    const old = { ...published.phi, moe: { ...published.phi.moe, top_k_experts: 2 } };
    const { stored, tower, projector, activated } = countMedMoe(parse(old), CLIP_VIT_L_14_336, {
      meta: false,
      routerBias: false,
    });
    const router = 16 * 4 * 2560;
    expect(stored - tower - projector).toBe(2_779_632_640 + 16 * 3 * 52_441_600 + router);
    expect(activated).toBe(2_779_632_640 + 16 * 52_441_600 + router);
  });

  test("dropout that is not there", () =>
    expect(() => parse({ ...read("stablelm/config.json"), hidden_dropout: 0.1 })).toThrow(
      "hidden_dropout: dropout of the states is not supported: 0 is needed",
    ));

  test("heads and rotary widths", () => {
    const [a, b] = [parse(published.stablelm).decoder, parse(published.phi).decoder];
    expect([a.rotaryWidth, a.eps, a.qkvBias]).toEqual([16, 1e-5, true]);
    expect([b.rotaryWidth, b.eps, b.qkvBias]).toEqual([32, 1e-5, true]);
  });
});

describe("families", () => {
  test.each([
    ["stablelm", null],
    ["stablelm_epoch", null],
    ["llava_stablelm", null],
    ["moe_llava_stablelm", [0, 2]],
  ])("%s", (model_type, layers) => {
    const { moe, ...rest } = read("stablelm/config.json");
    const config = parse({ ...rest, model_type, ...(layers && { moe }) });
    expect(config.family).toBe("stablelm");
    expect(config.moe?.layers ?? null).toEqual(layers);
  });

  test("the keys of the newer StableLM class", () => {
    const { rope_pct: _r, norm_eps: _n, ...rest } = read("stablelm/config.json");
    const config = parse({ ...rest, partial_rotary_factor: 0.5, layer_norm_eps: 1e-6 });
    expect([config.decoder.rotaryWidth, config.decoder.eps]).toEqual([8, 1e-6]);
  });

  test.each(["llama", "moe_llava_qwen", "clip_vision_model", "phi-msft"])("%s is another family", (model_type) => {
    expect(() => parse({ ...read("phi/config.json"), model_type })).toThrow(
      `config.json: model_type is "${model_type}", which is another family of models. Med-MoE reads moe_llava_stablelm, moe_llava_phi, llava_`,
    );
  });

  test("a dense model type with mixtures, and the reverse", () => {
    const json = read("phi/config.json");
    expect(() => parse({ ...json, model_type: "llava_phi" })).toThrow(
      "model_type llava_phi is dense, but moe.moe_enable is true",
    );
    expect(() => parse({ ...json, moe: { ...json.moe, moe_enable: false } })).toThrow(
      "model_type moe_llava_phi has mixtures, but moe.moe_enable is false",
    );
    expect(() => parse({ ...json, moe: undefined })).toThrow("moe: missing");
  });
});

describe("lists of the mixtures that disagree", () => {
  const withMoe = (change: Record<string, unknown>) => {
    const json = read("stablelm/config.json");
    return parse({ ...json, moe: { ...json.moe, ...change } });
  };

  test.each([
    [
      { num_experts: [4, 4, 4] },
      "moe.num_experts has 3 entries for 2 mixtures; one for each, or one for all, is needed",
    ],
    [{ moe_layers_idx: [0, 1, 2] }, "moe.moe_layers_idx is [0, 1, 2], but moe.moe_mode sparse of 4 layers is [0, 2]"],
    [{ moe_layers_idx: [0, 4], moe_mode: "custom" }, "moe.moe_layers_idx has 4, but there are 4 layers"],
    [{ moe_layers_idx: [2, 0], moe_mode: "custom" }, "moe.moe_layers_idx has 0 after 2; each layer once, in order"],
    [{ moe_layers_idx: [2, 2], moe_mode: "custom" }, "moe.moe_layers_idx has 2 after 2; each layer once, in order"],
    [{ moe_layers_idx: null, moe_mode: "custom" }, "moe.moe_mode is custom, but moe.moe_layers_idx lists no layers"],
    [{ top_k_experts: 2, num_experts: [1, 4] }, "moe.top_k_experts is 2, but a mixture has 1 expert"],
    [{ top_k_experts: 3 }, "moe.top_k_experts"],
    [{ moe_mode: "thirds" }, "moe.moe_mode"],
    [{ num_experts: [] }, "moe.num_experts"],
    [{ num_experts: undefined }, "moe.num_experts"],
  ])("%j", (change, message) => {
    expect(() => withMoe(change)).toThrow(io.FileFormatError);
    expect(() => withMoe(change)).toThrow(message);
  });

  test("all at once", () => {
    expect(() => withMoe({ moe_layers_idx: [0, 9], num_experts: [4, 4, 4], moe_mode: "custom" })).toThrow(
      /moe_layers_idx has 9.*; moe\.num_experts has 3/,
    );
  });

  test("one number of experts is that of every mixture; a mode gives the layers", () => {
    const config = withMoe({ moe_layers_idx: null, moe_mode: "second_half", num_experts: [6] });
    expect(config.moe).toMatchObject({ layers: [2, 3], experts: [6, 6] });
  });
});

test("sizes that do not fit are listed together", () => {
  const json = { ...read("phi/config.json"), num_attention_heads: 3, num_key_value_heads: 2 };
  expect(() => parse(json)).toThrow(/hidden_size 40 is not a multiple.*num_attention_heads 3 is not a multiple/);
});

test("values of the wrong type are listed with their keys", () => {
  expect(() => parse({ ...read("phi/config.json"), hidden_size: "40", qk_layernorm: true })).toThrow(
    /hidden_size: "40" is not a whole number from 1.*\n.*qk_layernorm/s,
  );
});

test.each(["stablelm", "phi"])("%s: what is written is what was read", (family) => {
  const json = read(`${family}/config.json`);
  expect(medMoeConfigJson(parse(json))).toEqual(json);
});

test("a tower's config: alone, within one of CLIP, with sizes that do not fit", () => {
  const json = read("phi/vision_tower/config.json");
  const tower = parseClipConfig(json, "tower");
  expect(tower).toMatchObject({ imageSize: 42, patch: 14, width: 24, layers: 3, heads: 4, activation: "quickGelu" });
  expect(parseClipConfig({ model_type: "clip", vision_config: json }, "tower")).toEqual(tower);
  expect(() => parseClipConfig({ ...json, patch_size: 16, num_attention_heads: 5 }, "tower")).toThrow(
    "tower: image_size 42 is not a multiple of patch_size 16; hidden_size 24 is not a multiple of num_attention_heads 5",
  );
  expect(() => parseClipConfig({ ...json, model_type: "siglip_vision_model" }, "tower")).toThrow("model_type");
});
