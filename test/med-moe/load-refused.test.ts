import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { io, nn, OptionError, ShapeError } from "../../engine/index.js";
import { DomainRouter, saveRouter } from "../../models/index.js";
import { editJson, medMoeFolders } from "../support/med-moe-folders.js";
import { goldenMedMoe, rewriteTensors } from "./support.js";

const { device, scratch, copyOf, load } = await medMoeFolders();

describe("what does not load", () => {
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
    cpSync(join(goldenMedMoe, "stablelm/config.json"), join(folder, "config.json"));
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
    await rewriteTensors(folder, (name) =>
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
    const wide = load(join(goldenMedMoe, "stablelm"), { router: join(goldenMedMoe, "phi/router.pth") });
    await expect(wide).rejects.toThrow(OptionError);
    await expect(wide).rejects.toThrow(
      /router\.pth: fc1\.weight is \[4, 40\]; the mixtures of this model need \[4, 32\] \(experts, width\)\. Give the router that was trained on this model\./,
    );
    const file = join(scratch, "six.pth");
    using router = new DomainRouter(new nn.Initializer(device), 32, 6);
    await saveRouter(file, router);
    await expect(load(join(goldenMedMoe, "stablelm"), { router: file })).rejects.toThrow("[6, 32]; the mixtures");
  });

  test("a router for a dense model", async () => {
    const folder = copyOf("phi");
    await rewriteTensors(folder, (name) =>
      /deepspeed_moe/.test(name) ? null : name.replace(".mlp.meta_moe.", ".mlp."),
    );
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
