import { z } from "zod";
import { io } from "../../../engine/index.js";
import type { Golden } from "../../golden/comparison.js";
import type { MissConfig } from "../config.js";

/** A run of generation other than the default, under its name in the scenario. */
const generation = z.looseObject({
  eos_bias_added: z.number(),
  max_length: z.number().int(),
  num_beams: z.number().int(),
});

const scenario = z.looseObject({
  method: z.string().nullable().optional(),
  full_roots: z.array(z.string()).optional(),
  peft_roots: z.array(z.string()).optional(),
  grad_norm: z.record(z.string(), z.number()).optional(),
  loss: z.number().optional(),
  /** Before the first step of AdamW, and after each. */
  losses_over_5_steps: z.array(z.number()).optional(),
  /** Parameters, and those that a step changes. */
  total: z.number().int().optional(),
  trainable: z.number().int().optional(),
  trainable_percent: z.number().optional(),
  /** Weights that adapters were folded into, and how far the logits moved by it. */
  merged_names: z.number().int().optional(),
  merged_max_abs_diff: z.number().optional(),
  weighted_answers_per_question: z.array(z.number().int()).optional(),
});

/** One step of pre-training. */
const pretrain = z.looseObject({
  alpha: z.number(),
  momentum: z.number(),
  batch: z.number().int(),
  embed_dim: z.number().int(),
  queue: z.number().int(),
  layers: z.number().int(),
  vis_depth: z.number().int(),
  grad_norm: z.record(z.string(), z.number()),
  losses: z.record(z.string(), z.number()),
  /** Second names of what the decoder shares with the JTM. */
  tied: z.array(z.string()),
});

const schema = z.looseObject({
  format: z.literal(1),
  config: z.looseObject({
    image: z.number(),
    patch: z.number(),
    vis_width: z.number(),
    vis_depth: z.number(),
    vis_heads: z.number(),
    vis_mlp: z.number(),
    vit_ln_eps: z.number(),
    hidden: z.number(),
    layers: z.number(),
    heads: z.number(),
    ffn: z.number(),
    vocab: z.number(),
    max_pos: z.number(),
    bert_ln_eps: z.number(),
    pad: z.number(),
    sep: z.number(),
    dec: z.number(),
    enc: z.number(),
    cls: z.number(),
    label_smoothing: z.number(),
  }),
  files: z.record(z.string(), z.looseObject({})),
  adamw: z.looseObject({
    lr: z.number(),
    betas: z.tuple([z.number(), z.number()]),
    eps: z.number(),
    weight_decay: z.number(),
  }),
  lora: z.looseObject({ r: z.number(), alpha: z.number(), dropout: z.number() }),
  prefix: z.looseObject({ num_virtual_tokens: z.number() }),
  generation: z.looseObject({ num_beams: z.number(), max_length: z.number(), rank_k: z.number() }),
  scenarios: z.record(z.string(), scenario),
  tolerance: z.looseObject({ forward: z.number(), grad_relative_to_max: z.number(), step1: z.number() }),
});

export type Manifest = z.infer<typeof schema>;
export type Scenario = z.infer<typeof scenario>;
export type PretrainScenario = z.infer<typeof pretrain>;
export const isGeneration = (value: unknown): value is z.infer<typeof generation> =>
  generation.safeParse(value).success;

/** The scenario of pre-training; throws FileFormatError where it is not one. */
export const pretrainScenario = (manifest: Manifest, folder: string): PretrainScenario =>
  io.parseWith(pretrain, manifest.scenarios.pretrain, `${folder}/manifest.json`);

/** The numbers of the pre-training scenario, and a 1 for each name that is tied, as golden tensors. */
export function goldenPretraining(s: PretrainScenario): Map<string, Golden> {
  const real = (name: string, value: number): [string, Golden] => [name, { values: [value], integer: false }];
  return new Map([
    ...Object.entries(s.losses).map(([name, loss]) => real(`manifest.losses.${name}`, loss)),
    ...Object.entries(s.grad_norm).map(([name, norm]) => real(`manifest.grad_norm.${name}`, norm)),
    ["manifest.tied", { values: s.tied.map(() => 1), integer: true }],
  ]);
}

/** The numbers of a scenario that a run of the model gives, as golden tensors of one dimension: `manifest.loss`, ... */
export function goldenNumbers(s: Scenario): Map<string, Golden> {
  const reals = {
    loss: s.loss,
    losses_over_5_steps: s.losses_over_5_steps,
    trainable_percent: s.trainable_percent,
    merged_max_abs_diff: s.merged_max_abs_diff,
    ...Object.fromEntries(Object.entries(s.grad_norm ?? {}).map(([name, norm]) => [`grad_norm.${name}`, norm])),
  };
  const counts = { total: s.total, trainable: s.trainable, merged_names: s.merged_names };
  const golden = (numbers: object, integer: boolean) =>
    Object.entries(numbers)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]): [string, Golden] => [`manifest.${name}`, { values: [value].flat(), integer }]);
  return new Map([...golden(reals, false), ...golden(counts, true)]);
}

const NEEDED =
  "Golden tensors are a folder with manifest.json, inputs.safetensors and the files that the manifest names: check the path";

export async function readManifest(folder: string): Promise<Manifest> {
  const path = `${folder}/manifest.json`;
  return io.parseWith(schema, io.parseJson(await io.readText(path, NEEDED), path), path);
}

/** The model of a manifest, without dropout and drop path. */
export function configOf({ config: c }: Manifest): MissConfig {
  return {
    imageSize: c.image,
    patch: c.patch,
    visionWidth: c.vis_width,
    visionDepth: c.vis_depth,
    visionHeads: c.vis_heads,
    visionMlp: c.vis_mlp,
    visionEps: c.vit_ln_eps,
    hidden: c.hidden,
    layers: c.layers,
    heads: c.heads,
    intermediate: c.ffn,
    textEps: c.bert_ln_eps,
    vocab: c.vocab,
    maxPositions: c.max_pos,
    pad: c.pad,
    sep: c.sep,
    dec: c.dec,
    enc: c.enc,
    labelSmoothing: c.label_smoothing,
    hiddenDropout: 0,
    attentionDropout: 0,
    dropPath: 0,
    initializerRange: 0.02,
  };
}
