import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, io, noGrad, OptionError, openDevice, scope } from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import {
  exportMedMoe,
  isQuantizable,
  loadMedMoe,
  loadTokenizer,
  type MedMoeLoadOptions,
  MedMoeRunConfig,
  type MedMoeRunConfigInput,
  saveMedMoe,
  trainMedMoe,
  writeTinyMedMoe,
} from "../../models/index.js";
import { goldenMedMoe, imageFile, speakingModel } from "./support.js";

const scratch = mkdtempSync(join(tmpdir(), "consilium-export-"));
const path = (name: string) => join(scratch, name);
let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
  for (const family of ["stablelm", "phi"] as const) await speakingModel(family, path(family));
});
afterAll(() => {
  device.close();
  rmSync(scratch, { recursive: true });
});

async function logitsOf(folder: string, options: Omit<MedMoeLoadOptions, "device"> = {}): Promise<Float32Array> {
  const { network } = await loadMedMoe(folder, { device, ...options });
  using _ = network;
  using logits = noGrad(() => scope(() => network.forward([{ ids: [5, 9, 11, 30] }], null)));
  return (await logits.data()) as Float32Array;
}

const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));

describe("a release", () => {
  test.each(["stablelm", "phi"] as const)("%s: the published files, the same logits", async (family) => {
    const out = path(`${family}-release`);
    const { files, step, unused, parameters } = await exportMedMoe(path(family), out, {
      device,
      dtype: "F32",
      maxShardBytes: 200_000,
    });
    const written = readdirSync(out, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1));
    expect(written.sort()).toEqual([...files].sort());
    expect(files.filter((file) => /^model-0000\d-of-0000\d\.safetensors$/.test(file)).length).toBeGreaterThan(2);
    expect(files).toEqual(
      expect.arrayContaining([
        ...["config.json", "generation_config.json", "model.safetensors.index.json", "mm_projector.bin"],
        ...["vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"],
      ]),
    );
    expect([step, unused]).toEqual([null, []]);
    // Its index names each tensor of the published state dict, and their bytes together.
    const { metadata, weight_map } = json(join(out, "model.safetensors.index.json"));
    const tensors = await readAll(path(family));
    expect(new Set(Object.keys(weight_map))).toEqual(new Set(tensors.keys()));
    expect(Number(metadata.total_size)).toBe(4 * parameters);
    expect(await readAll(out)).toEqual(tensors);
    expect(await logitsOf(out)).toEqual(await logitsOf(path(family)));
    const projector = join(out, "mm_projector.bin");
    expect(await logitsOf(out, { projector })).toEqual(await logitsOf(path(family)));
    // The routers of the golden models differ: there is none for all mixtures.
    expect(files).not.toContain("router.pth");
    const texts = ["Is there a fracture? <|endoftext|>", "Lunge\u0301 42\n"];
    const [was, is] = [await loadTokenizer(path(family), family), await loadTokenizer(out, family)];
    for (const text of texts) expect(is.tokenizer.encode(text)).toEqual(was.tokenizer.encode(text));
    expect(json(join(out, "config.json"))).toMatchObject({
      model_type: `moe_llava_${family}`,
      torch_dtype: "float32",
      moe: { num_experts: [4, 4], top_k_experts: 1 },
    });
  });

  test("bf16 by default, routers among it; nothing of a folder's other files", async () => {
    const from = path("worked-on");
    cpSync(path("stablelm"), from, { recursive: true });
    for (const name of ["run.json", "last.safetensors", "trainer_state.json"])
      cpSync(join(from, "config.json"), join(from, name));
    const out = path("halves");
    const { files } = await exportMedMoe(from, out, { device });
    expect(files).not.toContain("model.safetensors.index.json");
    expect(["run.json", "last.safetensors", "trainer_state.json"].some((name) => existsSync(join(out, name)))).toBe(
      false,
    );
    await using reader = await io.openCheckpoint(out);
    expect(new Set(reader.names.map((name) => reader.get(name).dtype))).toEqual(new Set(["BF16"]));
    const [a, b] = [await logitsOf(from), await logitsOf(out)];
    for (let i = 0; i < a.length; i++) expect(Math.abs(a[i] - b[i])).toBeLessThan(0.05);
    // What the release says is what a save of its own weights says.
    const { network } = await loadMedMoe(out, { device });
    using _ = network;
    await saveMedMoe(network, path("halves-again"));
    expect(readFileSync(join(path("halves-again"), "model.safetensors"))).toEqual(
      readFileSync(join(out, "model.safetensors")),
    );
  });

  test("a router of its own in the place of the checkpoint's", async () => {
    const out = path("routed");
    const router = join(goldenMedMoe, "stablelm/router.pth");
    await exportMedMoe(path("stablelm"), out, { device, dtype: "F32", router });
    expect(await logitsOf(out)).toEqual(await logitsOf(path("stablelm"), { router }));
    expect(await readAll(join(out, "router.pth"))).toEqual(await readAll(router));
  });

  test("a tokenizer gets the name of its class, which the published code asks for", async () => {
    const from = path("unnamed");
    cpSync(path("phi"), from, { recursive: true });
    rmSync(join(from, "tokenizer_config.json"));
    await exportMedMoe(from, path("named"), { device });
    expect(json(join(path("named"), "tokenizer_config.json"))).toEqual({ tokenizer_class: "CodeGenTokenizer" });
  });
});

describe("the last checkpoint of a run", () => {
  const data = { set: "json" as const, files: [path("data.json")], images: dirname(imageFile("any")) };
  const common = { data, precision: "f32", dtype: "F32", batch: 2, accumulate: 1, lr: 1e-2, epochs: 2 } as const;
  const train = (name: string, input: MedMoeRunConfigInput) =>
    trainMedMoe(MedMoeRunConfig.parse(input), { device, out: path(name) });
  /** The folder as it was before the run had finished. */
  function unfinished(name: string): string {
    const folder = path(`${name}-unfinished`);
    for (const file of ["run.json", "last.safetensors"]) cpSync(join(path(name), file), join(folder, file));
    return folder;
  }

  beforeAll(async () => {
    const conversation = (image: string, answer: string) => ({
      image,
      conversations: [
        { from: "human", value: "<image>\nWhich organ is shown?" },
        { from: "gpt", value: answer },
      ],
    });
    const conversations = [conversation("synpic100132.jpg", "liver"), conversation("synpic100176.jpg", "lung")];
    writeFileSync(path("data.json"), JSON.stringify(conversations));
    await writeTinyMedMoe(path("base"), { device, texts: ["Which organ is shown? USER: liver ASSISTANT:"], seed: 1 });
  });

  test("mixtures with adapters and routers in training: what the finished run writes", {
    timeout: 120_000,
  }, async () => {
    const { steps } = await train("moe", {
      ...common,
      stage: "moe",
      model: path("base"),
      experts: 2,
      trainRouter: true,
      lora: { targets: "all", r: 2, alpha: 4 },
    });
    const { step, files, parameters } = await exportMedMoe(unfinished("moe"), path("moe-release"), {
      device,
      dtype: "F32",
    });
    expect(step).toBe(steps);
    // Those of the release: adapters are in their weights.
    const values = [...(await readAll(path("moe-release"))).values()].map(({ values }) => values.length);
    expect(parameters).toBe(values.reduce((a, b) => a + b, 0));
    expect(files).not.toContain("router.pth");
    expect(await readAll(path("moe-release"))).toEqual(await readAll(path("moe")));
    expect(json(join(path("moe-release"), "config.json"))).toEqual(json(join(path("moe"), "config.json")));
    const q = "model.layers.1.self_attn.q_proj.weight";
    const [trained, base] = [await readAll(path("moe-release")), await readAll(path("base"))];
    expect([...trained.keys()].some((name) => name.includes("lora"))).toBe(false);
    expect(trained.get(q)).not.toEqual(base.get(q));
  });

  test("stage align: its projector with the language model that it was trained for", { timeout: 60_000 }, async () => {
    await train("align", { ...common, stage: "align", model: path("base") });
    const { files } = await exportMedMoe(path("align"), path("align-release"), { device, dtype: "F32" });
    expect(files).toContain("model.safetensors");
    const [base, own] = [await readAll(path("base")), await readAll(path("align-release"))];
    const projector = await readAll(join(path("align"), "mm_projector.bin"));
    expect(projector.size).toBe(4);
    for (const [name, tensor] of own) expect(tensor, name).toEqual(projector.get(name) ?? base.get(name));
    const named = exportMedMoe(path("align"), path("no"), { device, base: path("base") });
    await expect(named).rejects.toThrow("whose settings name its parts: leave `base` out.");
  });

  test("a tower that was trained, too, is written beside the model, whatever its name was", {
    timeout: 60_000,
  }, async () => {
    cpSync(path("base"), path("hub-base"), { recursive: true });
    const file = join(path("hub-base"), "config.json");
    // Its sizes are read there; its weights are in the checkpoint.
    const name = "openai/clip-vit-base-patch16";
    const tower = join(path("hub-base"), name);
    cpSync(join(path("base"), "vision_tower"), tower, { recursive: true });
    writeFileSync(file, JSON.stringify({ ...json(file), mm_image_tower: name }));
    const input = { ...common, stage: "instruct", model: path("hub-base") } as const;
    await train("blind", input);
    expect(json(join(path("blind"), "config.json")).mm_image_tower).toBe(name);
    await train("seeing", { ...input, alsoTrain: ["tower"] });
    await exportMedMoe(unfinished("seeing"), path("seeing-release"), { device, dtype: "F32" });
    for (const name of ["seeing", "seeing-release"]) {
      expect(json(join(path(name), "config.json")).mm_image_tower).toBe("./vision_tower");
      const own = await readAll(join(path(name), "vision_tower"));
      const before = await readAll(tower);
      const weight = "vision_model.encoder.layers.0.mlp.fc1.weight";
      expect(own.get(weight)).not.toEqual(before.get(weight));
    }
    const { network } = await loadMedMoe(path("seeing"), { device });
    expect(network.config.vision.tower).toBe("./vision_tower");
    network.dispose();
  });

  test("a router's run makes no model", async () => {
    const config = MedMoeRunConfig.parse({ stage: "router", model: path("base"), data });
    const state = {
      version: 1,
      config,
      device: { name: "cpu", target: "x" },
      random: { seed: 1, sequence: 0 },
      ...{ step: 1, epoch: 0, position: 0, finished: false, validations: [] },
    };
    await io.writeSafetensors(join(path("router"), "last.safetensors"), [], {
      metadata: { state: JSON.stringify(state) },
    });
    await expect(exportMedMoe(path("router"), path("no"), { device })).rejects.toThrow(
      "it is a run of stage router, which makes no model. Give its router.pth to stage moe",
    );
  });
});

describe("refused, with nothing written", () => {
  const refused = async (folder: string, text: string, options: Omit<MedMoeLoadOptions, "device" | "dtype"> = {}) => {
    await expect(exportMedMoe(folder, path("no"), { device, ...options })).rejects.toThrow(text);
    expect(existsSync(path("no"))).toBe(false);
  };

  test("a folder that holds a model is not written over", async () => {
    const again = exportMedMoe(path("phi"), path("stablelm"), { device });
    await expect(again).rejects.toThrow(OptionError);
    await expect(again).rejects.toThrow("stablelm holds a model already. Remove it, or write elsewhere.");
  });

  test("no tokenizer", async () => {
    await refused(
      join(goldenMedMoe, "phi"),
      "it has no tokenizer: neither tokenizer.json nor vocab.json with merges.txt",
    );
  });

  test("weights as integers", async () => {
    await using reader = await io.openCheckpoint(path("stablelm"));
    const to = { bits: 8, group: 32 } as const;
    await io.convertCheckpoint(reader, path("int8"), { to, device, quantizable: (t) => isQuantizable(t, 32) });
    for (const name of ["config.json", "vision_tower", "vocab.json", "merges.txt"])
      cpSync(join(path("stablelm"), name), join(path("int8"), name), { recursive: true });
    await refused(path("int8"), "its weights are integers, which the published code does not read");
  });

  test("a router of another width", async () => {
    const router = join(goldenMedMoe, "phi/router.pth");
    await refused(path("stablelm"), "fc1.weight is [4, 40]; the mixtures of this model need [4, 32]", { router });
  });
});
