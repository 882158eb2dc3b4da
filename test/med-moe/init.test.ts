import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, io, nn, noGrad, openDevice } from "../../engine/index.js";
import {
  countMedMoe,
  generate,
  initMedMoe,
  isQuantizable,
  languageModel,
  loadMedMoe,
  MED_MOE_PRESETS,
  MedMoe,
  type MedMoePreset,
  saveMedMoe,
} from "../../models/index.js";
import { parseMedMoeConfig } from "../../models/med-moe/folder/config.js";

/** The form of the published models. */
const SMALL: MedMoePreset = {
  json: {
    ...MED_MOE_PRESETS["stablelm-2-1.6b"].json,
    mm_image_tower: "./vision_tower",
    mm_hidden_size: 64,
    vocab_size: 512,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    max_position_embeddings: 256,
    bos_token_id: 0,
    eos_token_id: 0,
    pad_token_id: 1,
  },
  tower: { ...MED_MOE_PRESETS["stablelm-2-1.6b"].tower, imageSize: 56, width: 64, layers: 3, heads: 4, hidden: 128 },
};

let folder: string;
let device: Device;
let shapes: Device;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-init-"));
  device = await openDevice("reference");
  shapes = await openDevice("cpu", { threads: 1 });
  await initMedMoe(join(folder, "tiny"), { backbone: SMALL, device: shapes, maxShardBytes: 200_000 });
}, 120_000);
afterAll(async () => {
  device.close();
  shapes.close();
  await rm(folder, { recursive: true });
});

const prompts = [[5, 9, 100, 7], [3]];
const answers = (model: MedMoe) => generate(languageModel(model.network), prompts, { maxNewTokens: 4 });

describe("presets", () => {
  test("the published ones have the published number of parameters", () => {
    const counts = (name: "stablelm-2-1.6b" | "phi-2") => {
      const { json, tower } = MED_MOE_PRESETS[name];
      const { stored, activated } = countMedMoe(parseMedMoeConfig(json, name), tower);
      return [stored, activated];
    };
    expect(counts("stablelm-2-1.6b")).toEqual([3_615_361_072, 2_059_849_776]);
    expect(counts("phi-2")).toEqual([6_448_746_560, 3_618_862_144]);
  });
});

describe("initMedMoe", () => {
  test("a folder in shards, with what its counts say, the same for the same seed", async () => {
    await using reader = await io.openCheckpoint(join(folder, "tiny"));
    const stored = reader.names.map((name) => reader.get(name));
    const { json, tower } = SMALL;
    const count = countMedMoe(parseMedMoeConfig(json, "tiny"), tower);
    expect(stored.reduce((sum, { byteLength }) => sum + byteLength / 2, 0)).toBe(count.stored);
    expect(new Set(stored.map(({ dtype }) => dtype))).toEqual(new Set(["BF16"]));
    expect(
      (await readdir(join(folder, "tiny"))).filter((name) => name.endsWith(".safetensors")).length,
    ).toBeGreaterThan(3);
    await initMedMoe(join(folder, "again"), { backbone: SMALL, device: shapes, maxShardBytes: 200_000 });
    for (const name of await readdir(join(folder, "tiny")))
      if (name.endsWith(".safetensors"))
        expect((await readFile(join(folder, "again", name))).equals(await readFile(join(folder, "tiny", name)))).toBe(
          true,
        );
  });

  test("on cpu in its own type it is pages of its files, with the answers of a copy", async () => {
    const whole = join(folder, "whole");
    await initMedMoe(whole, { backbone: SMALL, device: shapes });
    using cpu = await openDevice("cpu", { threads: 2 });
    const options = { device: cpu, dtype: "bf16" } as const;
    using copied = await MedMoe.load(whole, { ...options, mapped: false });
    expect(cpu.memory().mapped).toBe(0);
    const expected = await answers(copied);
    const { live } = cpu.memory();
    const model = await MedMoe.load(whole, options);
    // The tower's patches, embeddings and head, and the experts of two mixtures, which stand one by one in the file.
    expect(cpu.memory().mapped).toBe(2 * (64 * 3 * 14 * 14 + 2 * 512 * 64 + 2 * 4 * 3 * 128 * 64));
    expect(cpu.memory().live - live).toBeLessThan(live / 2);
    expect(await answers(model)).toEqual(expected);
    // Over the files that it lies in.
    await saveMedMoe(copied.network, whole);
    expect(await answers(model)).toEqual(expected);
    model.dispose();
    expect(cpu.memory().mapped).toBe(0);
    // What is trained does not depend on files.
    const { network } = await loadMedMoe(whole, options);
    expect(cpu.memory().mapped).toBe(0);
    network.dispose();
  });

  test("dense: what the mixtures are made of", async () => {
    const counts = await initMedMoe(join(folder, "dense"), { backbone: SMALL, dense: true, device: shapes });
    using model = await MedMoe.load(join(folder, "dense"), { device });
    expect([model.network.config.moe, model.loaded.unused]).toEqual([null, []]);
    expect(model.network.config.json).toMatchObject({
      model_type: "llava_stablelm",
      architectures: ["LlavaStablelmForCausalLM"],
    });
    const stored = [...model.network.parameters()].reduce((sum, { size }) => sum + size, 0);
    expect(counts.stored).toBe(stored);
  });

  test("it loads and generates", async () => {
    using model = await MedMoe.load(join(folder, "tiny"), { device });
    expect(model.loaded.unused).toEqual([]);
    const out = await answers(model);
    expect(out.map(({ ids }) => ids.length)).toEqual([4, 4]);
    // A batch says what each says alone: mixtures see padding, and it changes nothing.
    for (const [i, prompt] of prompts.entries())
      expect((await generate(languageModel(model.network), [prompt], { maxNewTokens: 4 }))[0]).toEqual(out[i]);
  });
});

describe("integers", () => {
  test.each([
    ["int8", 8, 0.02],
    ["int4", 4, 0.25],
  ] as const)("%s: converted, loaded, near the original, saved and loaded again", async (name, bits, near) => {
    const out = join(folder, name);
    await using reader = await io.openCheckpoint(join(folder, "tiny"));
    const format = { bits, group: 32 } as const;
    await io.convertCheckpoint(reader, out, {
      to: format,
      device,
      quantizable: (t) => isQuantizable(t, 32),
      maxShardBytes: 100_000,
    });
    for (const file of ["config.json", "vision_tower"])
      await import("node:fs/promises").then(({ cp }) =>
        cp(join(folder, "tiny", file), join(out, file), { recursive: true }),
      );
    using original = await MedMoe.load(join(folder, "tiny"), { device });
    using model = await MedMoe.load(out, { device });
    const logits = async (m: MedMoe) => {
      const y = noGrad(() => m.forward([{ ids: prompts[0] }], null));
      const values = await y.data();
      y.dispose();
      return values;
    };
    const [a, b] = [await logits(original), await logits(model)];
    let [difference, size] = [0, 0];
    for (let i = 0; i < a.length; i++) [difference, size] = [difference + (a[i] - b[i]) ** 2, size + a[i] ** 2];
    expect(Math.sqrt(difference / size)).toBeLessThan(near);
    expect(difference).toBeGreaterThan(0);

    original.network.requiresGrad(false);
    const report = nn.quantize(original.network, { bits, except: ["wg"] });
    expect(report.quantized).toContain("model.layers.0.mlp.experts");
    expect([...report.kept.values()]).toContain("excepted");
    await using converted = await io.openCheckpoint(out);
    // Saved and loaded once more.
    await saveMedMoe(model.network, join(folder, `${name}-again`));
    using again = await MedMoe.load(join(folder, `${name}-again`), { device });
    expect(await logits(again)).toEqual(b);
    await expect(io.convertCheckpoint(converted, join(folder, "no"), { to: "F32" })).rejects.toThrow(
      "its weights are integers already. Convert the checkpoint that they were made of",
    );
  });
});
