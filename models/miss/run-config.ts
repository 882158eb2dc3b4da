import { z } from "zod";
import { Augmentation } from "../data/augment/augmentation.js";
import { type PublishedForm, publishedForms } from "../data/published.js";
import { TableColumns } from "../data/table.js";
import { published, textMethods, visionMethods, whyNoMethod } from "./adaptation.js";
import { presets } from "./config.js";

/** A folder in the layout of data/vqa-rad (or of SLAKE), and which questions of it. smoke: those about 24 images. */
const folderSchema = z.strictObject({
  /** Which. */
  set: z.enum(["organ", "vqa-rad", "slake", "organ-smoke", "vqa-rad-smoke"]),
  /** Where it is. */
  folder: z.string(),
  /** Measure a model with it though that was trained on rows of it; every report says so. */
  allowLeak: z.boolean().optional(),
});
/** A published data set in its folder. */
export type FolderData = z.infer<typeof folderSchema>;
/** The published data sets. */
export const folderSets = folderSchema.shape.set.options;

const form = z.enum(publishedForms as [PublishedForm, ...PublishedForm[]]);

/** Rows that are measured with, where the others are all for training. */
const testSchema = z.strictObject({
  /** Where they are. */
  file: z.string(),
  /** Their form; columns of the same names where absent. */
  form: form.optional(),
  /** Folder of their images; that of the others where absent. */
  images: z.string().optional(),
  /** The hash of the file when the run began. */
  sha256: z.string().optional(),
});

/** Questions of your own: a .csv, .tsv or .jsonl with a row for each, or JSON in a published form. */
const tableSchema = z.strictObject({
  /** A table of your own. */
  set: z.literal("table"),
  /** Where it is. */
  file: z.string(),
  /** What is what in it. */
  columns: TableColumns.prefault({}),
  /** Folder of the images; that of the file where absent. */
  images: z.string().optional(),
  /** The form of a JSON file that MISS or MILE reads; it has no columns then. */
  form: form.optional(),
  /** Does what the published reader of the form does by mistake, to compare with its numbers. */
  referenceBugs: z.boolean().default(false),
  /** Another file whose rows are the test; those of `file` are then for training. */
  test: testSchema.optional(),
  /** Percent of the groups that train, validate and test, where no column says it; 80, 10, 10 where absent. */
  split: z
    .tuple([z.number().positive(), z.number().min(0), z.number().positive()])
    .refine((shares) => Math.abs(shares[0] + shares[1] + shares[2] - 100) < 1e-6, {
      error: "the shares are not 100 together",
    })
    .optional(),
  /** The hash of the file when the run began: a run goes on, and is measured, with the same file only. */
  sha256: z.string().optional(),
  /**
   * The hash of which rows showed the same picture when the run began: with the file, the columns and the seed it decides
   * the split, which must not change under a model.
   */
  pictures: z.string().optional(),
  /** Go on though evaluation rows share group, image or question with training, or cannot be compared; every report says so. */
  allowLeak: z.boolean().default(false),
});
/** A table of your own. */
export type TableData = z.infer<typeof tableSchema>;

/** One of the methods that a module takes; the error says which, and why not another. */
const method = <const M extends readonly string[]>(methods: M, part: string) =>
  z.enum(methods, {
    error: ({ input }) => whyNoMethod(input, methods, part),
  });

const schema = z.strictObject({
  /** Sizes of the model. */
  preset: z.enum(Object.keys(presets) as [keyof typeof presets]).default("tiny"),
  /** Where the questions are from. */
  data: z.discriminatedUnion("set", [folderSchema, tableSchema]),
  /** blank: a grey square instead of every image, for a baseline that knows the question only. shuffled: wrong images. */
  images: z.enum(["real", "blank", "shuffled"]).default("real"),
  /** full: the tokenizer's 30,524 pieces. reduced: only those the training texts use. */
  vocabulary: z.enum(["full", "reduced"]).default("full"),
  /** published: pixels divided by 255 twice. ordinary: to [-1, 1]. clip: by the means and deviations of CLIP, as BLIP takes them. */
  scaling: z.enum(["published", "ordinary", "clip"]).default("published"),
  /** Image side; the preset's where absent. */
  imageSize: z.int().positive().optional(),
  /** Passes over the training questions. */
  epochs: z.int().positive(),
  /** Questions computed at a time. */
  batch: z.int().positive().default(20),
  /** Batches of a step: its gradient and its loss are those of one batch of all their questions. */
  accumulate: z.int().positive().default(1),
  /** Largest learning rate. */
  lr: z.number().positive().default(2e-5),
  /** Learning rate at the end. */
  minLr: z.number().min(0).default(0),
  /** Steps with a rising learning rate. */
  warmupSteps: z.int().min(0).default(0),
  /** Of AdamW. */
  weightDecay: z.number().min(0).default(0.05),
  /** epoch: cosine set once per epoch, as published. step: cosine over all steps. */
  schedule: z.enum(["epoch", "step"]).default("epoch"),
  /** Largest gradient norm; none where absent, as published. */
  clipNorm: z.number().positive().optional(),
  /** Type of products and attention in training; weights, statistics and losses stay f32. f16 scales the loss. */
  precision: z.enum(["f32", "bf16", "f16"]).default("f32"),
  /** Probability, in the text modules. */
  dropout: z.number().min(0).max(0.9).default(0.1),
  /** Stochastic depth of the last vision block; earlier ones rise to it. */
  dropPath: z.number().min(0).max(0.9).default(0.1),
  /** What is changed about questions and images each time that training uses them, in this order. */
  augment: z.array(Augmentation).default([]),
  /** Which parts are tuned, and how. */
  adaptation: z
    .strictObject({
      /** The vision transformer: F frozen, T trained in full, or tuned by lora or ia3. */
      vit: method(visionMethods, "visual encoder").default(published.vit),
      /** The joint text-multimodal module: F, T, or tuned by lora, ia3, prefix or ptv2. */
      jtm: method(textMethods, "joint module").default(published.jtm),
      /** The decoder, likewise. */
      dec: method(textMethods, "decoder").default(published.dec),
      /** lora: rank of the adapters. */
      rank: z.int().positive().default(published.rank),
      /** lora: the scale of the adapters is alpha / rank. */
      alpha: z.number().positive().default(published.alpha),
      /** lora: probability, in front of the adapters. */
      dropout: z.number().min(0).max(0.9).default(published.dropout),
      /** prefix, ptv2: virtual tokens. */
      tokens: z.int().positive().default(published.tokens),
    })
    .refine(({ vit, jtm, dec }) => [vit, jtm, dec].some((part) => part !== "F"), {
      error: "vit, jtm and dec are all F, frozen: nothing would be trained",
    })
    .prefault({}),
  /** The last blocks of the ViT that are computed again in the backward pass (published: vit_ckpt_layer): same bits, less memory. */
  checkpointBlocks: z.int().min(0).default(0),
  /** How answers are found in evaluation. */
  answering: z
    .strictObject({
      /** Written freely, or ranked from the training answers. */
      method: z.enum(["generate", "rank"]).default("generate"),
      /** generate: width of the beam search. */
      beams: z.int().positive().default(3),
      /** generate: tokens of an answer at most. */
      maxLength: z.int().min(2).default(10),
      /** rank: candidates that are scored in full. */
      k: z.int().positive().default(128),
      /** Hides the question's padding from the decoder; the published code lets it see. */
      maskQuestionPads: z.boolean().default(false),
    })
    .prefault({}),
  /** Share of the training images (of a table: its groups) held back to choose the checkpoint; 0 keeps the last one. */
  validation: z.number().min(0).max(0.9).default(0),
  /** Epochs between validations. */
  validateEvery: z.int().positive().default(5),
  /** Steps between validations, in place of epochs. */
  validateEverySteps: z.int().positive().optional(),
  /** Validations in a row without a better one that end the run; it does all epochs where absent. */
  patience: z.int().positive().optional(),
  /** A checkpoint to start from: a file, or a folder with model.safetensors. */
  init: z.string().optional(),
  /** Of the weights, the order and the split of training images. */
  seed: z.int().min(0).default(42),
});

/** Everything that decides a training run: same config, device and SIMD target, same bits. Unknown keys are errors. */
export const RunConfig: typeof schema = schema;
export type RunConfig = z.infer<typeof schema>;
/** What `RunConfig.parse` takes: keys with a default may be left out. */
export type RunConfigInput = z.input<typeof schema>;

const EARLIER: Readonly<Record<string, string>> = { frozen: "F", train: "T" };
const earlier = (value: unknown) =>
  typeof value === "string" && Object.hasOwn(EARLIER, value) ? EARLIER[value] : value;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** Settings with the names of modules and methods that runs recorded before there were four methods, under today's. */
export function earlierNames(values: unknown): unknown {
  const adaptation = (values as { adaptation?: unknown } | null)?.adaptation;
  if (!isObject(adaptation) || !("vision" in adaptation || "decoder" in adaptation || "r" in adaptation)) return values;
  const { vision, decoder, jtm, r, ...rest } = adaptation;
  const today = { vit: vision, jtm, dec: decoder, rank: r };
  const given = Object.entries(today).flatMap(([key, value]) => (value === undefined ? [] : [[key, earlier(value)]]));
  return { ...(values as object), adaptation: { ...rest, ...Object.fromEntries(given) } };
}
