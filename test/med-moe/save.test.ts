import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { io, nn } from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import { DomainRouter, saveMedMoe, saveRouter } from "../../models/index.js";
import { TOWER_PREFIX } from "../../models/med-moe/folder/names.js";
import { editJson, medMoeFolders } from "../support/med-moe-folders.js";
import { goldenMedMoe } from "./support.js";

const { device, scratch, copyOf, load, logitsOf } = await medMoeFolders();

describe("what is written", () => {
  test.each(["stablelm", "phi"] as const)(
    "%s: the same tensors, in shards, and the tower beside them",
    async (model) => {
      const { network } = await load(join(goldenMedMoe, model));
      using _ = network;
      const out = join(scratch, `saved-${model}`);
      await saveMedMoe(network, out, { dtype: "F32", maxShardBytes: 200_000 });
      expect(await readAll(out)).toEqual(await readAll(join(goldenMedMoe, model)));
      await using reader = await io.openCheckpoint(out);
      expect(reader.file).toMatch(/model\.safetensors\.index\.json$/);
      const json = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
      expect(json).toEqual(JSON.parse(readFileSync(join(goldenMedMoe, model, "config.json"), "utf8")));
      expect([...(await readAll(join(out, "vision_tower"))).keys()]).toContain("vision_model.pre_layrnorm.weight");
      expect(await logitsOf(out)).toEqual(await logitsOf(join(goldenMedMoe, model)));
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
    const all = await readAll(join(goldenMedMoe, "phi"));
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
    const { network } = await load(join(goldenMedMoe, "stablelm"), { router: file });
    using _ = network;
    const { wg } = network.model.layers[2].mlp as nn.MixtureOfExperts;
    expect([...(await wg.weight.data())]).toEqual([...(await router.fc1.weight.data())]);
  });
});
