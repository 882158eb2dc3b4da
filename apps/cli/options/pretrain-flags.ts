import type { Command } from "commander";
import { PretrainConfig } from "../../../models/index.js";
import { UsageError } from "../terminal/exit.js";
import { list } from "./common-options.js";
import type { GivenSettings } from "./config-file.js";
import {
  addFlags,
  type FlagGroups,
  flagNamed,
  merge,
  number,
  type Tree,
  text,
  valueAt,
  valuesGiven,
} from "./config-flags.js";
import { configText, keysBeside } from "./config-text.js";
import { plainIssue } from "./plain-issue.js";
import { augmentFlag, stepFlags } from "./step-flags.js";
import { refuseSettings } from "./whose-fault.js";

/** Every key of PretrainConfig as a flag, in the groups of the help. */
export const pretrainFlags: FlagGroups = {
  "Images and captions:": [
    text("--data", "data.file", "table with a row for each image: .csv, .tsv, .jsonl"),
    text("--image-column", "data.columns.image", "column with the name of the image"),
    {
      flag: "--caption-columns <names>",
      key: "data.columns.captions",
      text: "column of the caption, or several of which one is drawn at each access (default: caption, Caption, or describe1 to describe5)",
      parse: list,
    },
    text("--image-names", "data.names", "text file with the name of an image in each line, row by row (MediCat)"),
    text("--image-folder", "data.images", "folder of the images (default: that of the table)"),
    number("--caption-length", "captionLength", "pieces of a caption at most"),
    augmentFlag("images and captions"),
    { flag: "--no-shuffle", key: "shuffle", text: "keep the order of the file in each epoch, as published" },
  ],
  "Model:": [
    text("--preset", "preset", "sizes", ["tiny", "small", "base"]),
    text("--init", "init", "start from a checkpoint: a file (BLIP's, too) or a model folder"),
    number("--image-size", "imageSize", "side of the images in pixels (default: the preset's, 224 at most)"),
    text("--vocabulary", "vocabulary", "full, or only the pieces that the captions use", ["full", "reduced"]),
    text("--scaling", "scaling", "pixels as published, divided by 255 twice, or to [-1, 1]", ["published", "ordinary"]),
  ],
  "Contrast:": [
    number("--queue", "queue", "earlier features that a batch is compared with; a multiple of --batch"),
    number("--embedding", "embedding", "width of the features"),
    number("--momentum", "momentum", "share of themselves that the slow copies keep at each step"),
    number("--alpha", "alpha", "weight of what the slow copies find alike in the targets, after two epochs"),
  ],
  "Optimisation:": [
    number("--epochs", "epochs", "passes over the images"),
    number("--batch", "batch", "pairs a step, 2 or more"),
    number("--lr", "lr", "largest learning rate"),
    number("--min-lr", "minLr", "the least after decay"),
    number("--lr-decay", "lrDecay", "factor of the learning rate from epoch to epoch"),
    number("--warmup-steps", "warmupSteps", "steps of the first epoch with a rising learning rate"),
    number("--warmup-lr", "warmupLr", "learning rate of the first step"),
    ...stepFlags,
  ],
};

const ALL = Object.values(pretrainFlags).flat();

export function addPretrainFlags(command: Command): Command {
  const defaults = PretrainConfig.parse({ data: { file: "captions.csv" } });
  return addFlags(command, pretrainFlags, (key) =>
    ["data.file", "shuffle"].includes(key) ? undefined : valueAt(defaults, key),
  );
}

/** `from` (a file's values, or a saved run's), changed by the flags that were given. Throws UsageError naming flags. */
export function pretrainConfig(options: Readonly<Record<string, unknown>>, from?: GivenSettings): PretrainConfig {
  return settings(options, from, {});
}

/** The same as a file that explains itself; where nobody named a table, there is a name to put another in the place of. */
export function pretrainText(options: Readonly<Record<string, unknown>>, from?: GivenSettings): string {
  const config = settings(options, from, { data: { file: "CAPTIONS.csv" } });
  const head = ["Settings of consilium pretrain miss: --config takes this file, flags change it."];
  return configText(config, { head, groups: SETTINGS, ...keysBeside(PretrainConfig, config) });
}

/** Flags by what their keys say: that of `shuffle` says the contrary. */
const SETTINGS: FlagGroups = Object.fromEntries(
  Object.entries(pretrainFlags).map(([title, flags]) => [
    title,
    flags.map((flag) =>
      flag.key === "shuffle" ? { ...flag, text: "whether each epoch has an order of its own" } : flag,
    ),
  ]),
);

function settings(
  options: Readonly<Record<string, unknown>>,
  from: GivenSettings | undefined,
  unnamed: Tree,
): PretrainConfig {
  const { shuffle, ...given } = valuesGiven(options, ALL);
  const flags = { ...given, ...(shuffle === false && { shuffle }) };
  const values = merge(merge(unnamed, from?.values ?? {}), flags);
  if (valueAt(values, "data.file") === undefined)
    throw new UsageError("--data is missing: a table of images and captions. See consilium pretrain miss --help.");
  const parsed = PretrainConfig.safeParse(values);
  if (parsed.success) return parsed.data;
  refuseSettings(
    PretrainConfig,
    { values, flags, from },
    parsed.error.issues,
    (issue) => `${flagNamed(pretrainFlags, issue.path.join("."))}: ${plainIssue(issue)}`,
  );
}
