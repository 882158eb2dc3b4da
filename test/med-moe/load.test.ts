import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rounded } from "../../engine/check/fill.js";
import {
  cast,
  type Device,
  io,
  linear,
  max,
  nn,
  noGrad,
  OptionError,
  openDevice,
  ShapeError,
  scope,
  softmax,
  tensor,
} from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import {
  DomainRouter,
  loadMedMoe,
  type MedMoeLoadOptions,
  saveMedMoe,
  saveProjector,
  saveRouter,
} from "../../models/index.js";
import { PROJECTOR_PREFIX, storedParts, TOWER_PREFIX } from "../../models/med-moe/folder/names.js";
import { expectClose } from "../support/compare.js";

const fixtures = fileURLToPath(new URL("../fixtures/med-moe", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "consilium-med-moe-"));
let device: Device;
beforeAll(async () => {
  device = await openDevice("reference");
});
afterAll(() => {
  device.close();
  rmSync(scratch, { recursive: true });
});

let copies = 0;
/** A copy of a golden model, which a test may damage. */
function copyOf(model: "stablelm" | "phi"): string {
  const folder = join(scratch, `${model}-${copies++}`);
  cpSync(join(fixtures, model), folder, { recursive: true });
  return folder;
}

type Json = Record<string, unknown> & { moe?: Record<string, unknown>; weight_map: Record<string, string> };
function editJson(file: string, edit: (json: Json) => object): void {
  writeFileSync(file, JSON.stringify(edit(JSON.parse(readFileSync(file, "utf8")))));
}

/** Writes a checkpoint anew with other tensors: null leaves one out. */
async function rewrite(
  folder: string,
  change: (name: string) => string | null,
  to = "model.safetensors",
): Promise<void> {
  const all = await readAll(join(fixtures, folder.includes("phi") ? "phi" : "stablelm"));
  const tensors = [...all].flatMap(([name, { shape, values }]) => {
    const other = change(name);
    return other === null ? [] : [io.writable(other, shape, Float32Array.from(values), "F32")];
  });
  rmSync(join(folder, "model.safetensors.index.json"), { force: true });
  await io.writeSafetensors(join(folder, to), tensors);
}

async function logitsOf(folder: string, options: Omit<MedMoeLoadOptions, "device"> = {}): Promise<Float32Array> {
  const { network } = await loadMedMoe(folder, { device, ...options });
  using _ = network;
  using logits = noGrad(() => scope(() => network.forward([{ ids: [5, 9, 11, 30] }], null)));
  return (await logits.data()) as Float32Array;
}

const load = (folder: string, options: Omit<MedMoeLoadOptions, "device"> = {}) =>
  loadMedMoe(folder, { device, ...options });

describe("what is published loads", () => {
  test.each(["stablelm", "phi"] as const)("%s: nothing is left over, experts are stacked", async (model) => {
    const { network, unused, newProjector } = await load(join(fixtures, model));
    using _ = network;
    expect([unused, newProjector]).toEqual([[], false]);
    const checkpoint = await readAll(join(fixtures, model));
    const names = [...network.namedParameters()].flatMap(([path, p]) =>
      storedParts(path, p.shape, network.config.family),
    );
    expect(new Set(names.map(({ name }) => name))).toEqual(new Set(checkpoint.keys()));
  });

  test("a PyTorch file, in one piece", async () => {
    const folder = copyOf("stablelm");
    const all = await readAll(folder);
    rmSync(join(folder, "model.safetensors"));
    await io.writePytorch(
      join(folder, "pytorch_model.bin"),
      [...all].map(([name, { shape, values }]) => io.writable(name, shape, Float32Array.from(values), "F32")),
    );
    expect(await logitsOf(folder)).toEqual(await logitsOf(join(fixtures, "stablelm")));
  });

  test("the old release: no meta expert, no router bias", async () => {
    const folder = copyOf("phi");
    await rewrite(folder, (name) => (/meta_moe|wg\.bias/.test(name) ? null : name));
    const { network, unused } = await load(folder);
    using _ = network;
    expect(unused).toEqual([]);
    const mixture = network.model.layers[0].mlp as nn.MixtureOfExperts;
    expect([mixture.shared, mixture.wg.bias]).toEqual([null, null]);
  });

  test("the old release with a router of its own: its bias counts", async () => {
    const folder = copyOf("phi");
    await rewrite(folder, (name) => (/meta_moe|wg\.bias/.test(name) ? null : name));
    const router = join(folder, "router.pth");
    const { network } = await load(folder, { router });
    using _ = network;
    const golden = await readAll(router);
    const { wg, shared } = network.model.layers[0].mlp as nn.MixtureOfExperts;
    expect(shared).toBe(null);
    expect([...(await wg.bias!.data())]).toEqual([...Float32Array.from(golden.get("fc1.bias")!.values)]);
    expect([...(await wg.weight.data())]).toEqual([...Float32Array.from(golden.get("fc1.weight")!.values)]);
  });

  test("a router and a projector of their own", async () => {
    const folder = copyOf("stablelm");
    const router = join(folder, "router.pth");
    const { network } = await load(folder, { router, projector: join(folder, "mm_projector.bin") });
    using _ = network;
    const golden = await readAll(router);
    for (const layer of [0, 2]) {
      const { wg } = network.model.layers[layer].mlp as nn.MixtureOfExperts;
      expect([...(await wg.weight.data())]).toEqual([...Float32Array.from(golden.get("fc1.weight")!.values)]);
      expect([...(await wg.bias!.data())]).toEqual([...Float32Array.from(golden.get("fc1.bias")!.values)]);
    }
  });

  test("in a half type, routers too: they route in f32 with rounded weights, as published", async () => {
    const { network } = await load(join(fixtures, "stablelm"), { dtype: "bf16" });
    using _ = network;
    const { wg } = network.model.layers[0].mlp as nn.MixtureOfExperts;
    expect([...network.parameters()].map((p) => p.dtype)).not.toContain("f32");
    const name = "model.layers.0.mlp.deepspeed_moe.gate.wg.weight";
    const exact = (await readAll(join(fixtures, "stablelm"))).get(name)!.values;
    expect([...(await wg.weight.data())]).toEqual([...rounded(Float64Array.from(exact), "bf16")]);
    const mixture = network.model.layers[0].mlp as nn.MixtureOfExperts;
    using x = tensor(
      Float32Array.from({ length: 3 * 32 }, (_, i) => Math.sin(i)),
      { device, shape: [3, 32], dtype: "bf16" },
    );
    const { weights, p } = noGrad(() =>
      scope(() => {
        const { routed } = mixture.forward(x);
        const logits = linear(cast(x, "f32"), cast(wg.weight, "f32"), cast(wg.bias!, "f32"));
        return { weights: routed.weights, p: max(softmax(logits), { dim: 1, keepDim: true }) };
      }),
    );
    expect(weights.dtype).toBe("f32");
    // Rounded to bf16 anywhere, they would be 1e-3 off.
    expectClose("weights", await weights.data(), await p.data(), 1e-6);
    weights.dispose();
    p.dispose();
  });

  test("two experts of a token where the config says one", async () => {
    const { network } = await load(join(fixtures, "phi"), { topK: 2 });
    using _ = network;
    expect((network.model.layers[0].mlp as nn.MixtureOfExperts).options.topK).toBe(2);
    expect(network.config.moe?.topK).toBe(2);
  });

  test("a residual mixture: the residual branch is the meta expert once more", async () => {
    const folder = copyOf("stablelm");
    editJson(join(folder, "config.json"), (json) => ({ ...json, moe: { ...json.moe, use_residual: true } }));
    const all = await readAll(folder);
    const tensors = [...all].map(([name, { shape, values }]) =>
      io.writable(name, shape, Float32Array.from(values), "F32"),
    );
    for (const layer of [0, 2]) {
      const prefix = `model.layers.${layer}.mlp`;
      tensors.push(io.writable(`${prefix}.coefficient.weight`, [2, 32], new Float32Array(64).fill(0.1), "F32"));
      tensors.push(io.writable(`${prefix}.coefficient.bias`, [2], new Float32Array(2), "F32"));
    }
    await io.writeSafetensors(join(folder, "model.safetensors"), tensors);
    const { network } = await load(folder);
    using _ = network;
    const out = join(scratch, "residual");
    await saveMedMoe(network, out, { dtype: "F32" });
    const saved = await readAll(out);
    expect(saved.get("model.layers.0.mlp.mlp.up_proj.weight")).toEqual(
      saved.get("model.layers.0.mlp.meta_moe.up_proj.weight"),
    );
    expect(await logitsOf(out)).toEqual(await logitsOf(folder));
  });
});

describe("where it comes from", () => {
  /** The language model alone, with dense layers of its meta experts; the tower in a folder of its own. */
  async function languageModel(model: "stablelm" | "phi"): Promise<{ base: string; tower: string }> {
    const base = copyOf(model);
    rmSync(join(base, "mm_projector.bin"));
    const isTower = (name: string) => name.startsWith(TOWER_PREFIX);
    await rewrite(base, (name) =>
      isTower(name) || name.startsWith(PROJECTOR_PREFIX) || /deepspeed_moe/.test(name)
        ? null
        : name.replace(".mlp.meta_moe.", ".mlp."),
    );
    editJson(join(base, "config.json"), ({ moe: _m, mm_hidden_size: _w, ...json }) => ({ ...json, model_type: model }));
    const tower = join(base, "clip");
    mkdirSync(tower);
    cpSync(join(fixtures, model, "vision_tower/config.json"), join(tower, "config.json"));
    await rewrite(join(base, "clip"), (name) => (isTower(name) ? name.slice(TOWER_PREFIX.length) : null));
    rmSync(join(base, "vision_tower"), { recursive: true });
    return { base, tower };
  }

  test("a language model gets a tower and a new projector, which depends on the seed", async () => {
    const { base, tower } = await languageModel("phi");
    const first = await load(base, { tower, seed: 1 });
    const second = await load(base, { tower, seed: 2 });
    using a = first.network;
    using b = second.network;
    expect([first.newProjector, first.unused]).toEqual([true, []]);
    const weight = async ({ mm_projector }: typeof a) => [...(await mm_projector.image_spatial_proj[0].weight.data())];
    expect(await weight(a)).not.toEqual(await weight(b));
    await expect(load(base)).rejects.toThrow(
      "it holds no vision tower, and there is none at ./vision_tower. Give the folder of the CLIP vision tower",
    );
  });

  test("stage 1 leaves a projector, which needs its language model", async () => {
    const { base, tower } = await languageModel("stablelm");
    const { network } = await load(base, { tower, seed: 3 });
    using _ = network;
    const stage1 = join(scratch, "stage1");
    await saveProjector(network, stage1, "F32");
    await expect(load(stage1, { tower })).rejects.toThrow(
      `${stage1}: it holds a projector and no language model, as stage 1 leaves it. Name the folder of the language model`,
    );
    const again = await load(stage1, { tower, base });
    using other = again.network;
    expect(again.newProjector).toBe(false);
    // The tower lies beside the language model, which names it.
    cpSync(tower, join(base, "vision_tower"), { recursive: true });
    const beside = await load(stage1, { base });
    beside.network.dispose();
    expect([...(await other.mm_projector.image_spatial_proj[2].weight.data())]).toEqual([
      ...(await network.mm_projector.image_spatial_proj[2].weight.data()),
    ]);
  });
});

describe("what is written", () => {
  test.each(["stablelm", "phi"] as const)(
    "%s: the same tensors, in shards, and the tower beside them",
    async (model) => {
      const { network } = await load(join(fixtures, model));
      using _ = network;
      const out = join(scratch, `saved-${model}`);
      await saveMedMoe(network, out, { dtype: "F32", maxShardBytes: 200_000 });
      expect(await readAll(out)).toEqual(await readAll(join(fixtures, model)));
      await using reader = await io.openCheckpoint(out);
      expect(reader.file).toMatch(/model\.safetensors\.index\.json$/);
      const json = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
      expect(json).toEqual(JSON.parse(readFileSync(join(fixtures, model, "config.json"), "utf8")));
      expect([...(await readAll(join(out, "vision_tower"))).keys()]).toContain("vision_model.pre_layrnorm.weight");
      expect(await logitsOf(out)).toEqual(await logitsOf(join(fixtures, model)));
    },
  );

  test("bf16 by default, and the hub's name of a tower stays", async () => {
    const folder = copyOf("phi");
    const name = "openai/clip-vit-large-patch14-336";
    const { network } = await load(folder);
    using _ = network;
    network.config = { ...network.config, vision: { ...network.config.vision, tower: name } };
    const out = join(scratch, "bf16");
    await saveMedMoe(network, out);
    await using reader = await io.openCheckpoint(out);
    expect(new Set(reader.names.map((n) => reader.get(n).dtype))).toEqual(new Set(["BF16"]));
    const json = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect([json.torch_dtype, json.mm_image_tower]).toEqual(["bfloat16", name]);
    expect(existsSync(join(out, "vision_tower"))).toBe(false);
  });

  test("another tower does not go by the hub's name of the one before", async () => {
    const folder = copyOf("phi");
    editJson(join(folder, "config.json"), (json) => ({ ...json, mm_image_tower: "openai/clip-vit-large-patch14-336" }));
    const tower = join(folder, "another");
    mkdirSync(tower);
    cpSync(join(folder, "vision_tower/config.json"), join(tower, "config.json"));
    const all = await readAll(join(fixtures, "phi"));
    const own = [...all].flatMap(([name, { shape, values }]) =>
      name.startsWith(TOWER_PREFIX)
        ? [
            io.writable(
              name.slice(TOWER_PREFIX.length),
              shape,
              Float32Array.from(values, (v) => v / 2),
              "F32",
            ),
          ]
        : [],
    );
    await io.writeSafetensors(join(tower, "model.safetensors"), own);
    const { network } = await load(folder, { tower });
    using _ = network;
    const out = join(scratch, "another-tower");
    await saveMedMoe(network, out, { dtype: "F32" });
    expect(JSON.parse(readFileSync(join(out, "config.json"), "utf8")).mm_image_tower).toBe("./vision_tower");
    expect(await readAll(join(out, "vision_tower"))).toEqual(await readAll(tower));
    expect(await logitsOf(out)).toEqual(await logitsOf(folder, { tower }));
  });

  test("a router, as PyTorch has it", async () => {
    using router = new DomainRouter(new nn.Initializer(device, 5), 32, 4);
    const file = join(scratch, "router.pth");
    await saveRouter(file, router);
    const { network } = await load(join(fixtures, "stablelm"), { router: file });
    using _ = network;
    const { wg } = network.model.layers[2].mlp as nn.MixtureOfExperts;
    expect([...(await wg.weight.data())]).toEqual([...(await router.fc1.weight.data())]);
  });
});

describe("refused", () => {
  test("two experts of a token where a mixture has one", async () => {
    const folder = copyOf("stablelm");
    editJson(join(folder, "config.json"), (json) => ({ ...json, moe: { ...json.moe, num_experts: [1, 4] } }));
    await expect(load(folder, { topK: 2 })).rejects.toThrow(OptionError);
    await expect(load(folder, { topK: 2 })).rejects.toThrow(
      "`topK` is 2, but a mixture of this model has 1 expert: leave `topK` out.",
    );
  });

  test("a file that is no router", async () => {
    const folder = copyOf("stablelm");
    const file = join(folder, "half.safetensors");
    await io.writeSafetensors(file, [io.writable("fc1.weight", [4, 32], new Float32Array(128), "F32")]);
    await expect(load(folder, { router: file })).rejects.toThrow(
      `${file}: it is no router: it needs fc1.weight [experts, width] and fc1.bias [experts], and has fc1.weight. Give the router.pth`,
    );
  });

  test("a tower in the checkpoint whose sizes nobody tells", async () => {
    const folder = copyOf("phi");
    rmSync(join(folder, "vision_tower"), { recursive: true });
    editJson(join(folder, "config.json"), ({ mm_hidden_size: _, ...json }) => json);
    await expect(load(folder)).rejects.toThrow(
      /no config\.json tells the sizes of its vision tower \(there is none at \.\/vision_tower\), which is not CLIP ViT-L\/14-336: patch_embedding\.weight is \[24, 3, \d+, \d+\], not \[1024, 3, 14, 14\]\. Give the folder of that tower/,
    );
  });

  test("missing shards, all of them named", async () => {
    const folder = copyOf("phi");
    rmSync(join(folder, "model-00002-of-00002.safetensors"));
    editJson(join(folder, "model.safetensors.index.json"), (json) => ({
      ...json,
      weight_map: { ...json.weight_map, "lm_head.weight": "model-00003-of-00003.safetensors" },
    }));
    await expect(load(folder)).rejects.toThrow(
      /index\.json: 2 of the 3 files that it names are not there: model-0000\d-of-0000\d\.safetensors, model-0000\d-of-0000\d\.safetensors\. Copy or download/,
    );
  });

  test("another family's weights under this config", async () => {
    const folder = copyOf("phi");
    cpSync(join(fixtures, "stablelm/config.json"), join(folder, "config.json"));
    await expect(load(folder)).rejects.toThrow(
      "its tensors are those of the family phi, but config.json says stablelm. Put config.json and weights of one model together",
    );
  });

  test("a checkpoint that is no language model", async () => {
    const folder = copyOf("stablelm");
    await io.writeSafetensors(join(folder, "model.safetensors"), [
      io.writable("conv.weight", [1], new Float32Array(1), "F32"),
    ]);
    await expect(load(folder)).rejects.toThrow("it holds no language model of the family stablelm");
  });

  test("tensors that are missing or have another shape, all at once", async () => {
    const folder = copyOf("stablelm");
    await rewrite(folder, (name) =>
      name === "lm_head.weight" ? null : name.replace(/(experts\.3\.)up_proj/, "$1up_projection"),
    );
    await expect(load(folder)).rejects.toThrow(ShapeError);
    await expect(load(folder)).rejects.toThrow(
      /3 tensors do not fit.*deepspeed_experts\.3\.up_proj\.weight: missing.*lm_head\.weight: missing/s,
    );
    editJson(join(folder, "config.json"), (json) => ({ ...json, vocab_size: 97 }));
    await expect(load(folder)).rejects.toThrow(/embed_tokens\.weight: \[96, 32\] in .*, \[97, 32\] in the model/);
  });

  test("a router of another width, or of other experts", async () => {
    const wide = load(join(fixtures, "stablelm"), { router: join(fixtures, "phi/router.pth") });
    await expect(wide).rejects.toThrow(OptionError);
    await expect(wide).rejects.toThrow(
      /router\.pth: fc1\.weight is \[4, 40\]; the mixtures of this model need \[4, 32\] \(experts, width\)\. Give the router that was trained on this model\./,
    );
    const file = join(scratch, "six.pth");
    using router = new DomainRouter(new nn.Initializer(device), 32, 6);
    await saveRouter(file, router);
    await expect(load(join(fixtures, "stablelm"), { router: file })).rejects.toThrow("[6, 32]; the mixtures");
  });

  test("a router for a dense model", async () => {
    const folder = copyOf("phi");
    await rewrite(folder, (name) => (/deepspeed_moe/.test(name) ? null : name.replace(".mlp.meta_moe.", ".mlp.")));
    editJson(join(folder, "config.json"), ({ moe: _, ...json }) => ({ ...json, model_type: "llava_phi" }));
    await expect(load(folder, { router: join(folder, "router.pth") })).rejects.toThrow(
      "the model has no mixtures that a router could route for",
    );
  });

  test("a tower of another width than the model was trained with", async () => {
    const folder = copyOf("phi");
    editJson(join(folder, "vision_tower/config.json"), (json) => ({ ...json, hidden_size: 32 }));
    await expect(load(folder)).rejects.toThrow(
      "trained with image features of width 24; the vision tower's are 32 wide",
    );
  });

  test("a folder that is none", async () => {
    await expect(load(join(scratch, "nowhere"))).rejects.toThrow(
      /nowhere\/config\.json: .*A Med-MoE model is a folder with config\.json and its weights/,
    );
  });
});
