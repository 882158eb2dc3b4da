import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { rounded } from "../../engine/check/fill.js";
import { cast, io, linear, max, type nn, noGrad, scope, softmax, tensor } from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import { saveMedMoe, saveProjector } from "../../models/index.js";
import { PROJECTOR_PREFIX, storedParts, TOWER_PREFIX } from "../../models/med-moe/folder/names.js";
import { expectClose } from "../support/compare.js";
import { editJson, medMoeFolders } from "../support/med-moe-folders.js";
import { goldenMedMoe, rewriteTensors } from "./support.js";

const { device, scratch, copyOf, load, logitsOf } = await medMoeFolders();

describe("what is published loads", () => {
  test.each(["stablelm", "phi"] as const)("%s: nothing is left over, experts are stacked", async (model) => {
    const { network, unused, newProjector } = await load(join(goldenMedMoe, model));
    using _ = network;
    expect([unused, newProjector]).toEqual([[], false]);
    const checkpoint = await readAll(join(goldenMedMoe, model));
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
    expect(await logitsOf(folder)).toEqual(await logitsOf(join(goldenMedMoe, "stablelm")));
  });

  test("the old release: no meta expert, no router bias", async () => {
    const folder = copyOf("phi");
    await rewriteTensors(folder, (name) => (/meta_moe|wg\.bias/.test(name) ? null : name));
    const { network, unused } = await load(folder);
    using _ = network;
    expect(unused).toEqual([]);
    const mixture = network.model.layers[0].mlp as nn.MixtureOfExperts;
    expect([mixture.shared, mixture.wg.bias]).toEqual([null, null]);
  });

  test("the old release with a router of its own: its bias counts", async () => {
    const folder = copyOf("phi");
    await rewriteTensors(folder, (name) => (/meta_moe|wg\.bias/.test(name) ? null : name));
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
    const { network } = await load(join(goldenMedMoe, "stablelm"), { dtype: "bf16" });
    using _ = network;
    const { wg } = network.model.layers[0].mlp as nn.MixtureOfExperts;
    expect([...network.parameters()].map((p) => p.dtype)).not.toContain("f32");
    const name = "model.layers.0.mlp.deepspeed_moe.gate.wg.weight";
    const exact = (await readAll(join(goldenMedMoe, "stablelm"))).get(name)!.values;
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
    const { network } = await load(join(goldenMedMoe, "phi"), { topK: 2 });
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
    await rewriteTensors(base, (name) =>
      isTower(name) || name.startsWith(PROJECTOR_PREFIX) || /deepspeed_moe/.test(name)
        ? null
        : name.replace(".mlp.meta_moe.", ".mlp."),
    );
    editJson(join(base, "config.json"), ({ moe: _m, mm_hidden_size: _w, ...json }) => ({ ...json, model_type: model }));
    const tower = join(base, "clip");
    mkdirSync(tower);
    cpSync(join(goldenMedMoe, model, "vision_tower/config.json"), join(tower, "config.json"));
    const inTower = (name: string) => (isTower(name) ? name.slice(TOWER_PREFIX.length) : null);
    await rewriteTensors(tower, inTower, join(goldenMedMoe, model));
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
