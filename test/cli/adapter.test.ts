import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readAll } from "../../models/golden/read.js";
import { tryOpen } from "../support/devices.js";
import { consilium, smallOrganData, temporaryFolder } from "./support.js";

const TIMEOUT = 300_000;
const { device, reason } = await tryOpen("cpu", {});
device?.close();

const folder = temporaryFolder();
const data = smallOrganData(folder, 8);
const at = (name: string) => join(folder, name);

/** A run of a few steps; the checkpoint of its end is its model. */
const train = (out: string, ...tuning: string[]) =>
  consilium([
    ...["train", "miss", "--out", at(out), "--set", "organ", "--data", data, "--vocabulary", "reduced"],
    ...[
      "--scaling",
      "ordinary",
      "--epochs",
      "1",
      "--batch",
      "4",
      "--lr",
      "1e-2",
      "--answering",
      "rank",
      "--rank-k",
      "5",
    ],
    ...["--device", "cpu", ...tuning],
  ]);

async function answers(model: string): Promise<unknown> {
  const file = at(`${model}.json`);
  const { code, stderr } = await consilium(["eval", "miss", at(model), "--device", "cpu", "--predictions", file]);
  expect(code, stderr).toBe(0);
  return JSON.parse(readFileSync(file, "utf8"));
}

async function adapter(verb: string, ...words: string[]) {
  const { code, stdout, stderr } = await consilium(["adapter", verb, ...words, "--device", "cpu"]);
  expect(code, stderr).toBe(0);
  return stdout;
}

/** The model that an adapter says it belongs to. */
const baseOf = (adapters: string, root: string): unknown =>
  JSON.parse(readFileSync(join(at(adapters), root, "adapter_config.json"), "utf8")).base_model_name_or_path;

describe.skipIf(!device)(`adapters of MISS on cpu${reason}`, () => {
  beforeAll(async () => {
    for (const [out, ...tuning] of [
      ["lora", "--vit", "lora", "--jtm", "ia3", "--dec", "LoRA", "--rank", "4"],
      ["prefix", "--vit", "F", "--jtm", "ptv2", "--dec", "prefix"],
      ["full", "--vit", "F"],
    ]) {
      const { code, stderr } = await train(out, ...tuning);
      expect(code, stderr).toBe(0);
    }
  }, TIMEOUT);

  test(
    "taken out of a run with its base, put beside it, folded in: the run's own model, bit for bit",
    async () => {
      const said = await adapter("export", at("lora"), "--out", at("adapters"), "--base", at("base"));
      expect(said).toContain(`${at("adapters")}/text_decoder\n`);
      const config = JSON.parse(readFileSync(join(at("adapters"), "text_encoder", "adapter_config.json"), "utf8"));
      expect(config).toMatchObject({ peft_type: "IA3", feedforward_modules: ["output.dense"] });
      expect([...config.target_modules].sort()).toEqual(["key", "output.dense", "value"]);
      const vit = JSON.parse(readFileSync(join(at("adapters"), "visual_encoder", "adapter_config.json"), "utf8"));
      expect(vit).toMatchObject({ peft_type: "LORA", r: 4, lora_alpha: 32, task_type: null });
      expect([...vit.target_modules].sort()).toEqual(["fc1", "fc2", "proj", "qkv"]);

      await adapter("import", at("adapters"), "--model", at("base"), "--out", at("tuned"));
      await adapter("merge", at("tuned"), "--out", at("merged"));
      await adapter("merge", at("adapters"), "--model", at("base"), "--out", at("merged-too"));
      const model = await readAll(join(at("lora"), "model.safetensors"));
      for (const merged of ["merged", "merged-too"])
        expect(await readAll(join(at(merged), "model.safetensors")), merged).toEqual(model);
      expect(await readAll(join(at("base"), "model.safetensors"))).not.toEqual(model);
      expect(await answers("tuned")).toEqual(await answers("lora"));
    },
    TIMEOUT,
  );

  test(
    "what was folded in is still known to have learned what the run did, and says what it was made of",
    async () => {
      const { command, versions, sources } = JSON.parse(readFileSync(join(at("merged"), "origin.json"), "utf8"));
      expect(command).toBe(`npx consilium adapter merge ${at("tuned")} --out ${at("merged")}`);
      expect(versions).toEqual({ consilium: expect.stringMatching(/^\d/), "Node.js": process.versions.node });
      expect(sources).toMatchObject([{ of: "model", path: at("tuned"), run: null, origin: { sources: [{}, {}] } }]);
      const [row] = JSON.parse(readFileSync(join(data, "organ.json"), "utf8"));
      const table = at("seen.csv");
      writeFileSync(table, `image,question,answer\n${row.image_name},"${row.question}",${row.answer}\n`);
      const ask = ["eval", "miss", at("merged"), "--data", table, "--image-folder", join(data, "images")];
      const { code, stderr } = await consilium([...ask, "--device", "cpu"]);
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("overlap with training") });
      const info = await consilium(["info", at("merged")]);
      expect(info.stdout).toContain(`made by: ${command}`);
    },
    TIMEOUT,
  );

  test(
    "a prefix lies beside its model, is exported as its table, and cannot be folded in",
    async () => {
      const own = join(at("prefix"), "adapter", "text_decoder", "adapter_model.safetensors");
      expect([...(await readAll(own)).keys()]).toEqual(["prompt_embeddings"]);
      await adapter("export", at("prefix"), "--out", at("tables"), "--base", at("bare"));
      expect(await readAll(join(at("tables"), "text_decoder", "adapter_model.safetensors"))).toEqual(
        await readAll(own),
      );
      expect(baseOf("tables", "text_decoder")).toBe(at("bare"));
      // Beside its weights, a prefix leaves them what they were.
      await adapter("export", at("prefix"), "--out", at("tables-too"));
      expect(baseOf("tables-too", "text_decoder")).toBe(at("prefix"));
      await adapter("import", at("tables"), "--model", at("bare"), "--out", at("again"));
      expect(await answers("again")).toEqual(await answers("prefix"));
      const { code, stderr } = await consilium([
        "adapter",
        "merge",
        at("again"),
        "--out",
        at("never"),
        "--device",
        "cpu",
      ]);
      expect(code).toBe(1);
      expect(stderr).toContain("The prefix of text_encoder, text_decoder stands in front of keys and values");
      expect(existsSync(at("never"))).toBe(false);
    },
    TIMEOUT,
  );

  test(
    "refused with what to do",
    async () => {
      const fails = async (...words: string[]) => {
        const { code, stderr } = await consilium(["adapter", ...words, "--device", "cpu"]);
        expect(code).toBe(1);
        return stderr;
      };
      expect(await fails("export", at("full"), "--out", at("x"))).toContain("has no adapters: vit F, jtm T, dec T");
      expect(await fails("import", at("full"), "--model", at("full"), "--out", at("x"))).toContain(
        "it holds no adapter",
      );
      expect(await fails("import", at("tables"), "--out", at("x"))).toContain("--model");
      expect(await fails("merge", at("tuned"), "--out", at("full"))).toContain("holds a model already");
      expect(
        await fails("import", join(at("tables"), "text_decoder"), "--model", at("bare"), "--out", at("x")),
      ).toContain("its tensors do not tell which module it is for. Say it: --part vit, jtm or dec");
      expect(await fails("import", at("adapters"), "--model", at("full"), "--out", at("x"))).toContain(
        "it was trained beside other weights of the same sizes: beside these it means nothing (--other-base takes it all the same)",
      );
      // Every module's differences at once.
      cpSync(at("adapters"), at("misfits"), { recursive: true });
      for (const module of ["text_encoder", "text_decoder"]) {
        const file = join(at("misfits"), module, "adapter_config.json");
        writeFileSync(
          file,
          readFileSync(file, "utf8").replace(/"target_modules": ?\[/, '"target_modules": ["LayerNorm",'),
        );
      }
      const misfits = await fails("import", at("misfits"), "--model", at("base"), "--out", at("x"));
      expect(misfits).toContain(`${at("misfits")}: 2 adapters cannot be taken in. Correct each of them:\n`);
      for (const module of ["text_encoder", "text_decoder"])
        expect(misfits).toContain(`${at("misfits")}/${module}: the adapter does not fit this model`);
      expect(existsSync(at("x"))).toBe(false);
    },
    TIMEOUT,
  );

  test(
    "a run that recorded its tuning under the earlier names is evaluated, resumed and exported",
    async () => {
      const file = join(at("lora"), "run.json");
      const run = JSON.parse(readFileSync(file, "utf8"));
      const { vit: vision, jtm, dec: decoder, rank: r, tokens: _, ...rest } = run.adaptation;
      writeFileSync(file, JSON.stringify({ ...run, adaptation: { ...rest, vision, jtm, decoder, r } }));
      expect(await answers("lora")).toEqual(await answers("tuned"));
      const said = await adapter("export", at("lora"), "--out", at("earlier"));
      expect(said).toContain(`they name no base: ${at("lora")} has them folded in. --base FOLDER writes`);
      expect(baseOf("earlier", "text_decoder")).toBe(null);
      expect(existsSync(join(at("earlier"), "visual_encoder", "adapter_config.json"))).toBe(true);
    },
    TIMEOUT,
  );
});
