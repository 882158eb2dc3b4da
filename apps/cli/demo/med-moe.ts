import { join } from "node:path";
import { type DeviceChoice, openDevice } from "../../../engine/index.js";
import {
  asConversation,
  comparePaired,
  countMedMoe,
  expertShares,
  type LayerShares,
  MedMoe,
  MedMoeRunConfig,
  type MedMoeRunConfigInput,
  type MedMoeTrainResult,
  majorityBaselines,
  marks,
  radByImage,
  type Scores,
  score,
  trainMedMoe,
  type VqaRecord,
  writeTinyMedMoe,
} from "../../../models/index.js";
import { vqaRadFolder } from "../package-files.js";
import { Interrupted } from "../terminal/exit.js";
import type { Interruption } from "../terminal/interruption.js";
import { memoryUsed } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";
import { exists, resumable } from "../train/run-folder.js";

export interface MedMoeDemoOptions {
  /** Folder of all its models. */
  readonly out: string;
  readonly deviceName: DeviceChoice;
  readonly threads?: number;
  readonly memory?: number;
  readonly seed: number;
  /** Of mixtures and control: seed, seed + 1, ... */
  readonly seeds: number;
  readonly fast: boolean;
  readonly interruption: Interruption;
  /** The command that goes on after a stop. */
  readonly again: string;
  say(text: string): void;
}

/** A trained stage, and its answers to the questions about images that no stage has seen. */
export interface MedMoeStageResult {
  readonly name: string;
  readonly label: string;
  readonly training: MedMoeTrainResult;
  /** Null of the router's stage. */
  readonly scores: Scores | null;
  /** Right or wrong, question by question. */
  readonly marks: readonly boolean[];
}

/** Mixtures beside a dense model that was trained for as many steps on the same conversations. */
export interface ControlResult {
  readonly seed: number;
  readonly moe: MedMoeStageResult;
  readonly dense: MedMoeStageResult;
  /** B is the mixture's. */
  readonly paired: ReturnType<typeof comparePaired>;
}

export interface MedMoeDemoResult {
  readonly stages: readonly MedMoeStageResult[];
  readonly controls: readonly ControlResult[];
  readonly shares: readonly LayerShares[];
  readonly counts: ReturnType<typeof countMedMoe>;
  readonly majority: ReturnType<typeof majorityBaselines>;
  readonly train: number;
  readonly test: number;
  readonly testImages: number;
  readonly seconds: number;
  readonly peakBytes: number;
  readonly peakRss: number;
}

/** Pixels are 64 x 64, so batches are what makes products large. */
const BATCH = 32;
const ANSWER_IDS = 12;

const settings = (out: string, fast: boolean) => {
  const smoke = fast;
  const common = { precision: "f32", dtype: "F32", batch: BATCH, accumulate: 1, clipNorm: 1, checkpointLayers: false };
  const set = fast ? "organ" : "vqa-rad-by-image";
  const questions = { set, folder: vqaRadFolder, smoke };
  const captions = { set: "vqa-rad-captions", folder: vqaRadFolder, smoke };
  const epochs = (n: number) => (fast ? 1 : n);
  return {
    align: {
      ...common,
      stage: "align",
      model: join(out, "base"),
      data: captions,
      epochs: epochs(3),
      lr: 2e-3,
      // Nothing is pretrained: tower and language model would stay random.
      alsoTrain: ["tower", "language"],
    },
    instruct: {
      ...common,
      stage: "instruct",
      model: join(out, "align"),
      data: questions,
      epochs: epochs(3),
      lr: 1e-3,
      pad: false,
    },
    router: { stage: "router", precision: "f32", model: join(out, "instruct"), data: questions, validation: 0.2 },
    moe: {
      ...common,
      stage: "moe",
      model: join(out, "instruct"),
      router: join(out, "router", "router.pth"),
      experts: 3,
      data: questions,
      epochs: epochs(2),
      lr: 5e-4,
      pad: false,
    },
    dense: {
      ...common,
      stage: "instruct",
      model: join(out, "instruct"),
      data: questions,
      epochs: epochs(2),
      lr: 5e-4,
      pad: false,
      groupByLength: false,
    },
  } satisfies Record<string, object>;
};

type Name = keyof ReturnType<typeof settings>;

const LABELS: Readonly<Record<Name, string>> = {
  align: "after align",
  instruct: "after instruct",
  router: "router",
  moe: "after MoE tuning",
  dense: "dense control",
};

/** Trains a small Med-MoE from scratch through its stages, and measures each on images that none of them saw. */
export async function runMedMoeDemo(options: MedMoeDemoOptions): Promise<MedMoeDemoResult> {
  const started = performance.now();
  const { out, fast, seed, seeds, interruption, again, say } = options;
  const { signal } = interruption;
  using device = await openDevice(options.deviceName, { threads: options.threads, memoryBudget: options.memory });
  const progress = new Progress(device);
  const kept = `stopped; ${out} keeps the last checkpoint. Go on with: ${again}`;
  const data = { set: fast ? "organ" : "vqa-rad-by-image", folder: vqaRadFolder, smoke: fast } as const;
  const { train, test } = await radByImage(data);
  const stages = settings(out, fast);
  const base = join(out, "base");
  if (!(await exists(join(base, "model.safetensors"))))
    await writeTinyMedMoe(base, { device, texts: texts(train), seed });

  const run = async (name: Name, from: number): Promise<MedMoeStageResult> => {
    const own = from === seed ? name : `${name}-seed-${from}`;
    say(`Med-MoE, ${own}`);
    const config = MedMoeRunConfig.parse({ ...stages[name], seed: from } as MedMoeRunConfigInput);
    const folder = join(out, own);
    const onEvent = progress.onEvent;
    const training = await interruption.guard(
      resumable(trainMedMoe(config, { device, out: folder, resume: true, signal, onEvent }), again),
      kept,
    );
    if (training.interrupted) throw new Interrupted(kept);
    if (config.stage === "router") return { name: own, label: LABELS[name], training, scores: null, marks: [] };
    const onProgress = progress.answering("questions about new images");
    const template = config.stage === "align" ? "plain" : "stablelm";
    using model = await MedMoe.load(folder, { device, template });
    const answerer = model.answerer({ pad: config.pad, maxNewTokens: ANSWER_IDS });
    const asked = answerer.answerAll(test.map(asConversation), { batch: BATCH, signal, onProgress });
    const found = (await interruption.guard(asked, kept)).map(({ text }) => text);
    const right = marks(test, found);
    return { name: own, label: LABELS[name], training, scores: score(test, found), marks: right };
  };

  const [align, instruct, router] = [await run("align", seed), await run("instruct", seed), await run("router", seed)];
  const controls: ControlResult[] = [];
  for (let from = seed; from < seed + seeds; from++) {
    const [moe, dense] = [await run("moe", from), await run("dense", from)];
    controls.push({ seed: from, moe, dense, paired: comparePaired(dense.marks, moe.marks) });
  }
  const [{ moe, dense }] = controls;
  using model = await MedMoe.load(join(out, "moe"), { device });
  const shares = await interruption.guard(expertShares(model.answerer(), test, { seed, signal }), kept);
  return {
    stages: [align, instruct, router, moe, dense],
    controls,
    shares,
    counts: countMedMoe(model.network.config, model.network.image_tower.config),
    majority: majorityBaselines(train, test),
    train: train.length,
    test: test.length,
    testImages: new Set(test.map(({ image }) => image)).size,
    seconds: (performance.now() - started) / 1000,
    ...memoryUsed(device),
  };
}

/** What the vocabulary is made for: the training texts, and each word of the template as often. */
const texts = (records: readonly VqaRecord[]) =>
  records.flatMap(({ question, answer }) => [
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite " +
      `answers to the user's questions. USER: ${question} ASSISTANT: ${answer}`,
  ]);
