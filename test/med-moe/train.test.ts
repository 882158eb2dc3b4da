import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, io, openDevice } from "../../engine/index.js";
import {
  loadMedMoe,
  MedMoeRunConfig,
  type MedMoeRunConfigInput,
  type MedMoeTrainEvent,
  type MedMoeTrainResult,
  trainMedMoe,
  writeTinyMedMoe,
} from "../../models/index.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-med-moe-train-"));
const images = fileURLToPath(new URL("../../data/vqa-rad/images", import.meta.url));
const path = (name: string) => join(folder, name);
/** Of each modality two images, with three questions each. */
const MODALITIES = {
  ABD: ["synpic100132.jpg", "synpic12210.jpg"],
  CHEST: ["synpic100176.jpg", "synpic16174.jpg"],
  HEAD: ["synpic100228.jpg", "synpic19114.jpg"],
};
const QUESTIONS = ["Which organ is shown?", "Is it normal?", "What is this?"];
const rows = Object.entries(MODALITIES).flatMap(([modality, files]) =>
  files.flatMap((image) =>
    QUESTIONS.map((question) => ({
      image,
      modality,
      conversations: [
        { from: "human", value: `<image>\n${question}` },
        { from: "gpt", value: `the ${modality.toLowerCase()} of someone` },
      ],
    })),
  ),
);
const data = { set: "json" as const, files: [path("rows.json")], images };
const common = { data, precision: "f32", dtype: "F32", batch: 4, lr: 1e-3, epochs: 1 } as const;
let device: Device;

interface How {
  readonly resume?: boolean;
  readonly checkpointSeconds?: number;
  stop?(event: MedMoeTrainEvent): boolean;
}

async function train(
  name: string,
  input: MedMoeRunConfigInput,
  { stop, ...how }: How = {},
): Promise<MedMoeTrainResult> {
  const stopping = new AbortController();
  return trainMedMoe(MedMoeRunConfig.parse(input), {
    device,
    out: path(name),
    signal: stopping.signal,
    onEvent: (event) => {
      if (stop?.(event)) stopping.abort();
    },
    ...how,
  });
}

const instruct = (more: object = {}): MedMoeRunConfigInput => ({
  ...common,
  stage: "instruct",
  model: path("base"),
  accumulate: 3,
  ...more,
});
const moe = (more: object = {}): MedMoeRunConfigInput => ({
  ...common,
  stage: "moe",
  model: path("instruct"),
  router: path("router/router.pth"),
  experts: 3,
  accumulate: 1,
  ...more,
});
const values = async (name: string, tensor: string) => {
  await using reader = await io.openCheckpoint(path(name));
  return Array.from(await io.readFloat32(reader.get(tensor)));
};

beforeAll(async () => {
  device = await openDevice("cpu");
  writeFileSync(path("rows.json"), JSON.stringify(rows));
  const texts = rows.flatMap(({ conversations }) => conversations.map(({ value }) => value));
  await writeTinyMedMoe(path("base"), { device, texts, seed: 1 });
  await train("instruct", instruct());
  await train("router", { stage: "router", model: path("instruct"), data, precision: "f32", validation: 0.2 });
}, 300_000);
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

describe("stages of Med-MoE", () => {
  test("align trains the projector alone and leaves what stage 1 is published as", { timeout: 120_000 }, async () => {
    const result = await train("align", {
      ...common,
      stage: "align",
      model: path("base"),
      accumulate: 1,
    });
    const { projector } = { projector: 96 * 128 + 128 + 128 * 128 + 128 };
    expect(result.parameters.trainable).toBe(projector);
    await using reader = await io.openCheckpoint(path("align/mm_projector.bin"));
    expect(reader.names).toHaveLength(4);
    const next = await loadMedMoe(path("base"), { device, projector: path("align/mm_projector.bin") });
    next.network.dispose();
  });

  test("the rate rises over 3 % of the steps and falls along a cosine", async () => {
    const { history, steps } = await train("rate", instruct({ epochs: 2, accumulate: 1, batch: 5, warmupRatio: 0.1 }));
    const w = Math.ceil(0.1 * steps);
    const expected = Array.from({ length: steps }, (_, t) =>
      t < w ? (1e-3 * t) / w : 0.5e-3 * (1 + Math.cos((Math.PI * (t - w)) / (steps - w))),
    );
    expect(steps).toBe(2 * Math.ceil(rows.length / 5));
    history.lr.forEach((lr, t) => {
      expect(lr).toBeCloseTo(expected[t], 12);
    });
  }, 120_000);

  test("a run that is stopped and goes on has the bits of one that is not; also layer by layer computed twice", async () => {
    const whole = await train("whole", moe({ checkpointLayers: false }));
    const stopped = await train("halves", moe(), { stop: (e) => e.type === "step" && e.step === 1 });
    expect(stopped.interrupted).toBe(true);
    expect(stopped.steps).toBeLessThan(whole.steps);
    const resumed = await train("halves", moe(), { resume: true });
    expect(resumed.resumedAt).toBe(stopped.steps);
    expect(resumed.history).toEqual(whole.history);
    const weights = (name: string) => readFileSync(path(`${name}/model.safetensors`));
    expect(weights("halves").equals(weights("whole"))).toBe(true);
  }, 240_000);

  test("moe: the router stays, experts and meta experts move apart, every token is counted", async () => {
    const { history, mixtures, parameters, steps } = await train("moe", moe());
    expect(mixtures).toEqual({ layers: [0, 2], experts: [3, 3] });
    expect(history.chosen).toHaveLength(6 * steps);
    const [first, second] = [history.chosen.slice(0, 3), history.chosen.slice(3, 6)];
    const sum = (all: number[]) => all.reduce((a, b) => a + b, 0);
    expect(sum(first)).toBe(sum(second));
    const mlp = 3 * 128 * 344;
    // Two mixtures of three experts and a meta expert, two dense layers, the projector.
    expect(parameters.trainable).toBe((2 * 4 + 2) * mlp + 96 * 128 + 128 + 128 * 128 + 128);
    const wg = "model.layers.0.mlp.deepspeed_moe.gate.wg";
    expect(await values("moe", `${wg}.weight`)).toEqual(await values("router/router.pth", "fc1.weight"));
    const meta = await values("moe", "model.layers.0.mlp.meta_moe.up_proj.weight");
    expect(meta).not.toEqual(await values("instruct", "model.layers.0.mlp.up_proj.weight"));
    expect(await values("moe", "model.layers.0.self_attn.q_proj.weight")).toEqual(
      await values("instruct", "model.layers.0.self_attn.q_proj.weight"),
    );
  }, 120_000);

  test("--paper trains experts and meta experts alone; adapters leave the base as it was", async () => {
    const paper = await train("paper", moe({ trains: "paper" }));
    expect(paper.parameters.trainable).toBe(2 * 4 * 3 * 128 * 344);
    const lora = await train("lora", instruct({ lora: { targets: "ffn", r: 2, alpha: 4 }, lr: 1e-2 }));
    expect(lora.parameters.trainable).toBe(4 * 3 * 2 * (128 + 344) + 96 * 128 + 128 + 128 * 128 + 128);
    const q = "model.layers.1.self_attn.q_proj.weight";
    expect(await values("lora", q)).toEqual(await values("base", q));
    const up = "model.layers.1.mlp.up_proj.weight";
    expect(await values("lora", up)).not.toEqual(await values("base", up));
  }, 240_000);

  test("the router's classes, its file, what it names right", async () => {
    const found = JSON.parse(readFileSync(path("router/router.json"), "utf8"));
    expect(found.classes).toEqual(["ABD", "CHEST", "HEAD"]);
    expect(found.train.total + found.validation.total).toBe(rows.length);
    await using reader = await io.openCheckpoint(path("router/router.pth"));
    expect(reader.get("fc1.weight").shape).toEqual([3, 128]);
  });

  test("leftovers carried over: whole steps only", async () => {
    const router = {
      stage: "router",
      model: path("instruct"),
      data,
      precision: "f32",
      epochs: 3,
      accumulate: 4,
    } as const;
    const step = await train("router-step", router);
    const carry = await train("router-carry", { ...router, leftovers: "carry" });
    const n = rows.length;
    expect([step.steps, carry.steps]).toEqual([3 * Math.ceil(n / 4), Math.floor((3 * n) / 4)]);
  }, 120_000);
});

describe("bad input is refused before work starts", () => {
  test.each([
    ["no router", () => train("bad", moe({ router: undefined })), "Stage moe needs a router"],
    [
      "a router of another number of experts",
      () => train("bad", moe({ experts: 4 })),
      "`experts` is 4; the router tells 3",
    ],
    ["layers that are not there", () => train("bad", moe({ layers: [1, 7] })), "`layers`: 7 is not one of 4 layers"],
    ["mixtures in a dense stage", () => train("bad", instruct({ model: path("moe") })), "has mixtures of experts"],
    ["a folder with a model", () => train("instruct", instruct({ seed: 3 })), "holds a model already (config.json)"],
    [
      "other settings than the saved run's",
      () => train("instruct", instruct({ seed: 3 }), { resume: true }),
      "seed 42, now 3",
    ],
    [
      "conversations without a modality",
      () => {
        const file = path("no-modality.json");
        const turns = [
          { from: "human", value: "What?" },
          { from: "gpt", value: "That." },
        ];
        writeFileSync(file, JSON.stringify([{ conversations: turns }]));
        return train("bad", { stage: "router", model: path("instruct"), data: { set: "json", files: [file] } });
      },
      '1 conversations have no "modality", the first item 1',
    ],
  ])("%s", async (_, refused, text) => {
    await expect(refused()).rejects.toThrow(text);
  });
});
