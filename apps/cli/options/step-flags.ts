import { InvalidArgumentError } from "commander";
import { io } from "../../../engine/index.js";
import { augmentationNames } from "../../../models/index.js";
import { list } from "./common-options.js";
import { number, type RunFlag, text } from "./config-flags.js";

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

/** `word-swap,flip`: changes by their names, with their usual numbers. */
function augmentations(given: string): { name: string }[] {
  return list(given).map((name) => {
    if ((augmentationNames as string[]).includes(name)) return { name };
    throw new InvalidArgumentError(`${io.didYouMean(name, augmentationNames)}"${name}" is none.`);
  });
}

/** Of both, too: what changes the rows that are trained on. */
export const augmentFlag = (rows: string): RunFlag => ({
  flag: "--augment <names>",
  key: "augment",
  text: `changes of ${rows}, in this order: ${augmentationNames.join(", ")} (their numbers: --config)`,
  parse: augmentations,
});
