import { z } from "zod";

/** Conversations in LLaVA's layout: one or more files, which are joined. */
const jsonData = z.strictObject({
  /** Files of one's own. */
  set: z.literal("json"),
  /** Files: each a JSON array of `{ image, conversations, ... }`. */
  files: z.array(z.string()).min(1),
  /** Folder of the images; that of the first file where absent. */
  images: z.string().optional(),
});

/**
 * VQA-RAD in its folder. organ: the questions of organ.json about the part of the body. vqa-rad-captions: question and answer
 * in a row as the caption of the image, for alignment. Parts are by image, as organ.json splits them: no image that is tested
 * on is in any training.
 */
const radData = z.strictObject({
  /** Which of its questions. */
  set: z.enum(["vqa-rad-captions", "vqa-rad-by-image", "organ"]),
  /** Where VQA-RAD is. */
  folder: z.string(),
  /** Only the images of smoke.json: a run of seconds. */
  smoke: z.boolean().default(false),
});

const data = z.discriminatedUnion("set", [jsonData, radData]);
/** Where conversations come from. */
export type ConversationData = z.infer<typeof data>;
/** The data sets that come by name. */
export const medMoeSets = radData.shape.set.options;

const rate = z.number().min(0).max(0.9);
const size = z.int().positive();

/** What every stage has. */
const common = {
  /** Folder of the model to start from: a language model with its tower, or what an earlier stage wrote. */
  model: z.string(),
  /** Folder of the vision tower; where config.json of the model says it is, where absent. */
  tower: z.string().optional(),
  /** Where the conversations are from. */
  data,
  /** Template of the texts; plain in alignment, else that of the model's family, where absent. */
  template: z.enum(["plain", "stablelm", "phi"]).optional(),
  /** Longest text in ids, images as one. */
  maxLength: size.default(2048),
  /** Type of products and attention; weights that are trained, statistics and losses stay f32. */
  precision: z.enum(["f32", "bf16", "f16"]).default("bf16"),
  /** Of the order of the data, of new weights and of random choices. */
  seed: z.int().min(0).default(42),
};

/** Parts that the published stages do not train; for models that start from random weights. */
const PARTS = ["tower", "language"] as const;

/** What a stage has that steps through the data with AdamW. */
const tuning = (defaults: Tuning) => ({
  ...common,
  /** A file mm_projector.bin, or a folder with one: the projector to start from in place of the model's. */
  projector: z.string().optional(),
  /** Pads images to squares; else the middle is cut out. */
  pad: z.boolean().default(defaults.pad),
  /** Passes over the data. */
  epochs: size.default(defaults.epochs),
  /** Conversations that are computed at a time. */
  batch: size.default(8),
  /** Batches of a step: its gradient is the mean of theirs. */
  accumulate: size.default(defaults.accumulate),
  /** Largest learning rate: it rises over the warm-up, then falls along a cosine to 0. */
  lr: z.number().positive().default(defaults.lr),
  /** That of the projector, where it has one of its own. */
  projectorLr: z.number().positive().optional(),
  /** Share of the steps that warm up, rounded up. */
  warmupRatio: z.number().min(0).max(1).default(0.03),
  /** Of AdamW, on matrices: biases and norms do not decay. */
  weightDecay: z.number().min(0).default(0),
  /** Largest gradient norm; none where absent, as published. */
  clipNorm: z.number().positive().optional(),
  /** Batches of conversations of like length. */
  groupByLength: z.boolean().default(defaults.groupByLength),
  /** Computes the layers of the language model again in the backward pass: same bits, less memory. */
  checkpointLayers: z.boolean().default(true),
  /** Trains these parts, too, all of them: for a start from random weights. */
  alsoTrain: z.array(z.enum(PARTS)).default([]),
  /** Low-rank adapters in place of the language model's own weights. */
  lora: z
    .strictObject({
      /** all: every linear layer of the language model's blocks. ffn: those of the MLPs and experts; with trains: paper, of the mixtures alone. */
      targets: z.enum(["all", "ffn"]).default("all"),
      /** Rank. */
      r: size.default(128),
      /** The scale of the adapters is alpha / r. */
      alpha: z.number().positive().default(256),
      /** Probability, in front of the adapters. */
      dropout: rate.default(0.05),
    })
    .optional(),
  /** Type of the weights in the files that the stage writes. */
  dtype: z.enum(["BF16", "F16", "F32"]).default("BF16"),
  /** Share of the images held back; their loss is measured after each epoch. */
  validation: z.number().min(0).max(0.9).default(0),
  /** Steps between validations, in place of epochs. */
  validateEverySteps: size.optional(),
  /** Validations in a row without a lower loss that end the run; it does all epochs where absent. */
  patience: size.optional(),
  /** Which weights the stage leaves: its last ones, as published, or those of the lowest loss on what is held back. */
  keep: z.enum(["last", "best"]).default("last"),
});

interface Tuning {
  readonly pad: boolean;
  readonly epochs: number;
  readonly accumulate: number;
  readonly lr: number;
  readonly groupByLength: boolean;
}

const align = z.strictObject({
  /** The projector learns to say images in the words of the language model. */
  stage: z.literal("align"),
  ...tuning({ pad: false, epochs: 1, accumulate: 1, lr: 1e-3, groupByLength: false }),
});

/** Of the stages after alignment. */
const aligned = {
  /** Starts the projector at random where the model has none; else such a model is refused. */
  newProjector: z.boolean().default(false),
};

const instruct = z.strictObject({
  /** Language model and projector learn to answer. */
  stage: z.literal("instruct"),
  ...aligned,
  ...tuning({ pad: true, epochs: 3, accumulate: 2, lr: 2e-5, groupByLength: true }),
});

const moe = z.strictObject({
  /** Mixtures of experts take the place of MLPs and are tuned. */
  stage: z.literal("moe"),
  ...aligned,
  ...tuning({ pad: true, epochs: 9, accumulate: 2, lr: 2e-5, groupByLength: false }),
  /** The router of stage `router`: its folder, .pth or .safetensors. Every mixture starts from it. */
  router: z.string().optional(),
  /** Trains the routers instead of freezing them; they need no file then. */
  trainRouter: z.boolean().default(false),
  /** code: experts, meta experts, MLPs of dense layers and the projector, as published code does. paper: experts and meta experts. */
  trains: z.enum(["code", "paper"]).default("code"),
  /** Which layers become mixtures. */
  mode: z.enum(["first_half", "second_half", "sparse", "dense"]).default("sparse"),
  /** The layers by number, in place of `mode`. */
  layers: z.array(z.int().min(0)).min(1).optional(),
  /** Of each mixture: as many as the router tells apart; without a router, 4 where absent. */
  experts: size.optional(),
  /** Experts of a token. */
  topK: z.union([z.literal(1), z.literal(2)]).default(1),
  /** DeepSpeed's residual mixture. */
  residual: z.boolean().default(false),
  /** Weight of the sum of load-balancing losses. */
  auxLoss: z.number().min(0).default(0),
});

const router = z.strictObject({
  /** A linear map learns to tell the images' modalities apart (of VQA-RAD: parts of the body); mixtures start from it. */
  stage: z.literal("router"),
  ...common,
  /** Pads images to squares. */
  pad: z.boolean().default(false),
  /** Passes over the data. */
  epochs: size.default(10),
  /** Conversations whose gradients are added before a step of Adam. */
  accumulate: size.default(32),
  /** Of Adam. */
  lr: z.number().positive().default(1e-3),
  /**
   * Conversations left over at the end of an epoch: step makes a smaller step of them; carry adds them to the first step of
   * the next epoch and drops the last ones, as published code does.
   */
  leftovers: z.enum(["step", "carry"]).default("step"),
  /** Share of the images held back, on which its accuracy is measured. */
  validation: z.number().min(0).max(0.9).default(0),
});

/** Adapters beside what contradicts them are refused: one of the two would be frozen, or thrown away, without a word. */
const schema = z.discriminatedUnion("stage", [align, instruct, router, moe]).superRefine((config, context) => {
  if (config.stage === "router" || !config.lora) return;
  const refuse = (message: string, ...path: string[]) => context.addIssue({ code: "custom", message, path });
  if (config.stage === "align")
    refuse(
      "stage align trains the projector alone, without adapters. Give them to stage instruct or moe",
      "lora",
      "targets",
    );
  if (config.stage === "moe" && config.trains === "paper" && config.lora.targets === "all")
    refuse(
      "all trains attention, too, but `trains: paper` experts and meta experts alone. Take ffn, whose adapters are in them",
      "lora",
      "targets",
    );
  if (config.alsoTrain.includes("language"))
    refuse("adapters (`lora`) freeze the language model. Train it or them, not both", "alsoTrain");
});

/** Everything that decides a stage: same config, device and SIMD target, same bits. Unknown keys are errors. */
export const MedMoeRunConfig: typeof schema = schema;
export type MedMoeRunConfig = z.infer<typeof schema>;
/** What `MedMoeRunConfig.parse` takes: keys with a default may be left out. */
export type MedMoeRunConfigInput = z.input<typeof schema>;

/** A stage that tunes the model itself. */
export type TuningConfig = Exclude<MedMoeRunConfig, { stage: "router" }>;
export type MoeTuningConfig = Extract<MedMoeRunConfig, { stage: "moe" }>;
export type RouterConfig = Extract<MedMoeRunConfig, { stage: "router" }>;
