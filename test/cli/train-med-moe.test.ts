import { createHash } from "node:crypto";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { io } from "../../engine/index.js";
import { goldenMedMoe, imageFile } from "../med-moe/support.js";
import { tryOpen } from "../support/devices.js";
import { IMAGES, medMoeStages, ROWS, TUNING } from "../support/med-moe-stages.js";
import { consilium, consiliumProcess, consiliumStoppedAt } from "./support.js";

const TIMEOUT = 240_000;
const { folder, path, data, dataFile, train, moe, run, document } = medMoeStages();
const { device, reason } = await tryOpen("cpu", {});
device?.close();

const LONGER = [...TUNING, "--batch", "1"];
const weights = (name: string) => readFileSync(path(name, "model.safetensors"));
/** A tensor's values, short enough for a message. */
const hash = async (name: string, key: string) => {
  await using reader = await io.openCheckpoint(path(name));
  return createHash("sha256")
    .update(await io.readFloat32(reader.get(key)))
    .digest("hex");
};

/** The stages as a user runs them, each from what the one before left. */
describe.skipIf(!device)(`train med-moe on cpu${reason}`, () => {
  beforeAll(async () => {
    await run([
      "init",
      "med-moe",
      "--backbone",
      "tiny",
      "--dense",
      "--data",
      data,
      "--dtype",
      "f32",
      "--out",
      path("base"),
    ]);
    await run(train("align", "align", "--model-path", path("base"), ...TUNING));
    await run(
      train(
        "instruct",
        "instruct",
        "--model-path",
        path("base"),
        "--projector",
        path("align"),
        ...TUNING,
        "--dtype",
        "F32",
      ),
    );
    await run(train("router", "router", "--model-path", path("instruct"), "--epochs", "2"));
  }, TIMEOUT);

  test("align, instruct and router leave what the next stage starts from", async () => {
    const q = "model.layers.1.self_attn.q_proj.weight";
    expect(await hash("instruct", q)).not.toEqual(await hash("base", q));
    const router = JSON.parse(readFileSync(path("router/router.json"), "utf8"));
    expect(router).toMatchObject({ classes: ["CT", "MRI"], train: { total: 8 } });
    await using align = await io.openCheckpoint(path("align"));
    expect(align.names).toHaveLength(4);
  });

  test(
    "moe: stopped and resumed it has the bits of a run that was not, and its JSON says all of it",
    async () => {
      const whole = await document(moe("whole", ...LONGER));
      expect(whole).toMatchObject({
        version: 1,
        command: "train med-moe",
        config: { stage: "moe", model: path("instruct"), router: path("router"), experts: 2, trains: "code" },
        steps: 8,
        resumedAt: 0,
        mixtures: { layers: [0, 2], experts: [2, 2] },
      });
      expect(whole.history.loss).toHaveLength(8);
      const stopped = await consiliumStoppedAt(/step 1\/8/, "SIGTERM", moe("halves", ...LONGER));
      expect(stopped.code, stopped.stderr).toBe(130);
      const again = /Go on with: npx consilium (.*)/.exec(stopped.stderr)?.[1].split(" ") as string[];
      expect(again.slice(0, 5)).toEqual(["train", "med-moe", "--out", path("halves"), "--resume"]);
      const resumed = await document(again, consiliumProcess);
      expect(resumed.resumedAt).toBeGreaterThan(0);
      expect(resumed.resumedAt).toBeLessThan(8);
      expect(resumed.history).toEqual(whole.history);
      expect(weights("halves").equals(weights("whole"))).toBe(true);

      const finished = await consilium(moe("whole", ...LONGER));
      expect(finished).toMatchObject({ code: 2, stderr: expect.stringContaining("holds a run already. Add --resume") });
      const changed = await consilium(["train", "med-moe", "--out", path("whole"), "--resume", "--lr", "2"]);
      expect(changed.stderr).toContain("it was written by a run with other settings: lr 0.001, now 2");
    },
    TIMEOUT,
  );

  test(
    "moe --paper trains experts and meta experts alone; what it leaves answers questions",
    async () => {
      const { parameters, config } = await document(moe("paper", ...TUNING, "--paper", "--dtype", "F32"));
      expect(config.trains).toBe("paper");
      expect(parameters.trainable).toBe(2 * 3 * 3 * 128 * 344);
      const projector = "model.mm_projector.image_spatial_proj.0.weight";
      expect(await hash("paper", projector)).toEqual(await hash("instruct", projector));
      const answers = path("answers.jsonl");
      const { scores } = await document([
        ...["eval", "med-moe", "--model-path", path("paper"), "--conv-mode", "stablelm", "--question-file", data],
        ...[
          "--image-folder",
          dirname(imageFile("any")),
          "--answers-file",
          answers,
          "--max-new-tokens",
          "3",
          "--device",
          "cpu",
        ],
      ]);
      expect(scores.questions).toEqual({ total: 8, open: 8, closed: 0 });
    },
    TIMEOUT,
  );

  test(
    "gradients whose norm overflows are named, where it is read",
    async () => {
      const args = moe("overflow", ...TUNING, "--train-router", "--aux-loss", "1e30", "--clip-norm", "1");
      const { code, stderr } = await consilium(args);
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(
        /train: the norm of the gradients of step 1 is Infinity, while the loss is [\d.e+]+: their squares are more than f32 holds\. Check the weights that it starts from, and --aux-loss\./,
      );
    },
    TIMEOUT,
  );

  describe("one clear error, before work starts", () => {
    const changed = (name: string, change: (config: Record<string, never>) => object) => {
      cpSync(path("instruct"), path(name), { recursive: true });
      const file = path(name, "config.json");
      writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")))));
      return path(name);
    };
    const sharded = (name: string) => {
      const model = changed(name, (config) => config);
      rmSync(join(model, "model.safetensors"));
      const weight_map = {
        "model.norm.weight": "model-00001-of-00002.safetensors",
        "lm_head.weight": "model-00002-of-00002.safetensors",
      };
      writeFileSync(join(model, "model.safetensors.index.json"), JSON.stringify({ weight_map }));
      return model;
    };
    const [first] = ROWS;
    const instruct = (out: string, ...more: string[]) =>
      train("instruct", out, "--model-path", path("instruct"), ...TUNING, ...more);
    test.concurrent.each<[string, () => string[], string, number?]>([
      [
        "a router of another width",
        () => moe("bad", "--router", join(goldenMedMoe, "stablelm/router.pth")),
        "[4, 32]; the mixtures of this model need [4, 128] (experts, width)",
      ],
      [
        "a router of another number of experts",
        () => moe("bad", "--experts", "4"),
        "--experts is 4; the router tells 2",
      ],
      ["no router", () => train("moe", "bad", "--model-path", path("instruct")), "Stage moe needs a router"],
      [
        "what is no router",
        () => moe("bad", "--router", path("align/mm_projector.bin")),
        "it is no router: it needs fc1.weight",
      ],
      [
        "files of an index that are not there",
        () => instruct("bad", "--model-path", sharded("shards")),
        "2 of the 2 files that it names are not there: model-00001-of-00002.safetensors",
      ],
      [
        "lists of mixtures that disagree",
        () => {
          const block = { moe_mode: "sparse", moe_layers_idx: [0, 1], num_experts: [4, 4, 4], top_k_experts: 1 };
          return instruct(
            "bad",
            "--model-path",
            changed("lists", (c) => ({ ...c, model_type: "moe_llava_stablelm", moe: block })),
          );
        },
        "moe.moe_layers_idx is [0, 1], but moe.moe_mode sparse of 4 layers is [0, 2]; another list is called custom; moe.num_experts has 3 entries for 2 mixtures",
      ],
      [
        "another family",
        () =>
          instruct(
            "bad",
            "--model-path",
            changed("phi", (c) => ({ ...c, model_type: "llava_phi", hidden_act: "gelu_new" })),
          ),
        "its tensors are those of the family stablelm, but config.json says phi",
      ],
      [
        "another model",
        () =>
          instruct(
            "bad",
            "--model-path",
            changed("llama", (c) => ({ ...c, model_type: "llama" })),
          ),
        'model_type is "llama", which is another family of models',
      ],
      [
        "more images than places for them",
        () => instruct("bad", "--data", dataFile([{ ...first, image: IMAGES }, first])),
        "4 images for 1 <image> in its text (item 1). Give each image one place",
      ],
      [
        "more places than images",
        () => instruct("bad", "--data", dataFile([first, { ...first, image: undefined }])),
        "no images for 1 <image> in its text (item 2)",
      ],
      ["images that are missing", () => instruct("bad", "--image-folder", folder), "4 of 4 images are missing: "],
      [
        "conversations without a modality",
        () =>
          train(
            "router",
            "bad",
            "--model-path",
            path("instruct"),
            "--data",
            dataFile([{ ...first, modality: undefined }]),
          ),
        '1 conversations have no "modality", the first item 1',
      ],
      [
        "a model that is not there",
        () => instruct("bad", "--model-path", path("none")),
        "there is no such folder or file, and it is no name on a hub",
      ],
      [
        "an unknown template",
        () => instruct("bad", "--template", "vicuna"),
        "Allowed choices are plain, stablelm, phi",
        2,
      ],
      ["a flag of another stage", () => instruct("bad", "--experts", "2"), "--experts: not for stage instruct", 2],
      ["an unknown flag, with the nearest", () => instruct("bad", "--acumulate", "2"), "--accumulate", 2],
      ["a stage that is none", () => train("finetune", "bad"), "Allowed choices are align, instruct, router, moe", 2],
      [
        "adapters in alignment",
        () => train("align", "bad", "--model-path", path("base"), "--lora", "all"),
        "--lora: stage align trains the projector alone",
        2,
      ],
      [
        "adapters in attention beside --paper",
        () => moe("bad", "--paper", "--lora", "all"),
        "--lora: all trains attention, too",
        2,
      ],
      [
        "adapters in what is trained itself",
        () => instruct("bad", "--also-train", "language", "--lora", "ffn"),
        "--also-train: adapters (--lora) freeze the language model",
        2,
      ],
      [
        "the folder of stage align as a model",
        () => instruct("bad", "--model-path", path("align")),
        `--model-path BASE --projector ${path("align")}`,
      ],
      ["no model", () => train("align", "bad"), "--model-path is missing", 2],
      [
        "nothing to resume",
        () => ["train", "med-moe", "--out", path("nothing"), "--resume"],
        "holds no run to go on with",
        2,
      ],
    ])("%s", async (_, args, text, exit = 1) => {
      const { code, stdout, stderr } = await consilium(args());
      expect({ code, stdout }, stderr).toEqual({ code: exit, stdout: "" });
      expect(stderr).toContain(text);
      expect(stderr).not.toContain("step 1");
    });
  });
});
