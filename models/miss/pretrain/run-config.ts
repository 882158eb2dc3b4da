import { z } from "zod";
import { Augmentation } from "../../data/augment/augmentation.js";
import { presets } from "../config.js";
import { CaptionData } from "./captions.js";

const schema = z.strictObject({
  /** What the run is for. */
  task: z.literal("pretrain").default("pretrain"),
  /** Sizes of the model. */
  preset: z.enum(Object.keys(presets) as [keyof typeof presets]).default("tiny"),
  /** Images and captions. */
  data: CaptionData,
  /** full: the tokenizer's 30,524 pieces. reduced: only those the captions use, and letters. */
  vocabulary: z.enum(["full", "reduced"]).default("full"),
  /** published: pixels divided by 255 twice. ordinary: to [-1, 1]. */
  scaling: z.enum(["published", "ordinary"]).default("published"),
  /** Image side; where absent that of the preset, 224 at most, as published. */
  imageSize: z.int().positive().optional(),
  /** Passes over the images. */
  epochs: z.int().positive().default(70),
  /** Pairs a step; it divides `queue`. Pairs that are left over at the end of an epoch are left out. */
  batch: z
    .int()
    .min(2, { error: "a pair alone has no wrong text for its image, which matching needs: 2 or more" })
    .default(80),
  /** Earlier features that a batch is also compared with. */
  queue: z.int().positive().default(57600),
  /** Width of the features. */
  embedding: z.int().positive().default(256),
  /** Share of themselves that the slow copies keep at each step. */
  momentum: z.number().min(0).max(1).default(0.995),
  /** Weight of what the slow copies find alike in the targets of contrast, from the third epoch on; it rises from 0. */
  alpha: z.number().min(0).max(1).default(0.4),
  /** Pieces of a caption at most, the first and the last included. */
  captionLength: z.int().min(3).default(30),
  /** Whether rows come in another order each epoch; published code leaves them in that of the file. */
  shuffle: z.boolean().default(true),
  /** What is changed about images and captions each time that training uses them, in this order; nothing, as published. */
  augment: z.array(Augmentation).default([]),
  /** Largest learning rate. */
  lr: z.number().positive().default(2e-4),
  /** The least after decay. */
  minLr: z.number().min(0).default(2e-6),
  /** Factor of the learning rate from epoch to epoch. */
  lrDecay: z.number().positive().max(1).default(0.95),
  /** Steps of the first epoch in which it rises from `warmupLr`. */
  warmupSteps: z.int().min(0).default(3000),
  /** At the first step. */
  warmupLr: z.number().min(0).default(1e-6),
  /** Of AdamW. */
  weightDecay: z.number().min(0).default(0.05),
  /** Largest gradient norm; none where absent, as published. */
  clipNorm: z.number().positive().optional(),
  /** Type of products and attention; weights, statistics and losses stay f32. f16 scales the loss. */
  precision: z.enum(["f32", "bf16", "f16"]).default("f32"),
  /** Probability, in the text modules. */
  dropout: z.number().min(0).max(0.9).default(0.1),
  /** Stochastic depth of the last vision block; earlier ones rise to it. */
  dropPath: z.number().min(0).max(0.9).default(0),
  /** The last blocks of the ViT that are computed again in the backward pass: same bits, less memory. */
  checkpointBlocks: z.int().min(0).default(0),
  /** A checkpoint to start from: a file, or a folder with model.safetensors. */
  init: z.string().optional(),
  /** Of the weights, the order, the captions that are drawn. */
  seed: z.int().min(0).default(42),
});

/** Everything that decides a pre-training run: same config, device and SIMD target, same bits. Unknown keys are errors. */
export const PretrainConfig: typeof schema = schema;
export type PretrainConfig = z.infer<typeof schema>;
/** What `PretrainConfig.parse` takes: keys with a default may be left out. */
export type PretrainConfigInput = z.input<typeof schema>;
