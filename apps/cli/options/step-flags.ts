import { number, text } from "./config-flags.js";

/** Of both trainings of MISS: how a step is computed. */
export const stepFlags = [
  number("--weight-decay", "weightDecay", "decay of AdamW"),
  number("--clip-norm", "clipNorm", "largest gradient norm (default: no clipping, as published)"),
  text("--precision", "precision", "products in half types, around f32 weights (webgpu: f16 only)", [
    "f32",
    "bf16",
    "f16",
  ]),
  number("--dropout", "dropout", "dropout of the text modules"),
  number("--drop-path", "dropPath", "stochastic depth of the vision module"),
  number("--checkpoint-blocks", "checkpointBlocks", "last vision blocks that are computed twice to save memory"),
  number("--seed", "seed", "same seed, device and settings: same bits"),
];
