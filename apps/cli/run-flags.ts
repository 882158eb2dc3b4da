import { type Command, Option } from "commander";
import { io } from "../../engine/index.js";
import { RunConfig, type RunConfigInput } from "../../models/index.js";
import { finiteNumber } from "./common-options.js";
import { UsageError } from "./exit.js";
import { checkVqaRad, vqaRadFolder } from "./package-files.js";

interface RunFlag {
  /** `--name <value>`; a switch has no value. */
  readonly flag: string;
  /** The key of RunConfig that it sets. */
  readonly key: string;
  readonly text: string;
  readonly choices?: readonly string[];
}

const text = (flag: string, key: string, about: string, choices?: readonly string[]): RunFlag => ({
  flag: `${flag} <${choices ? "choice" : "text"}>`,
  key,
  text: about,
  choices,
});
const number = (flag: string, key: string, about: string): RunFlag => ({ flag: `${flag} <n>`, key, text: about });

const MODES = ["frozen", "train", "lora"];

/** Every key of RunConfig as a flag, in the groups of the help. */
export const runFlags: Readonly<Record<string, readonly RunFlag[]>> = {
  "Data:": [
    text("--set", "data.set", "which questions", RunConfig.shape.data.shape.set.options),
    text("--data", "data.folder", "folder in the layout of data/vqa-rad, or of SLAKE"),
    text("--images", "images", "blank or shuffled images, for a baseline", ["real", "blank", "shuffled"]),
    number("--validation", "validation", "share of the training images held back to choose the checkpoint"),
    number("--validate-every", "validateEvery", "epochs between validations"),
  ],
  "Model:": [
    text("--preset", "preset", "sizes", ["tiny", "small", "base"]),
    text("--init", "init", "start from a checkpoint: a file or a model folder"),
    number("--image-size", "imageSize", "side of the images in pixels (default: the preset's)"),
    text("--vocabulary", "vocabulary", "full, or only the pieces that the training texts use", ["full", "reduced"]),
    text("--scaling", "scaling", "pixels as published, divided by 255 twice, or to [-1, 1]", ["published", "ordinary"]),
  ],
  "Optimisation:": [
    number("--epochs", "epochs", "passes over the training questions"),
    number("--batch", "batch", "questions a step"),
    number("--lr", "lr", "largest learning rate"),
    number("--min-lr", "minLr", "learning rate at the end"),
    number("--warmup-steps", "warmupSteps", "steps with a rising learning rate"),
    text("--schedule", "schedule", "cosine by epoch, as published, or by step", ["epoch", "step"]),
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
  ],
  "Which parts are tuned, and how:": [
    text("--vision", "adaptation.vision", "vision encoder", MODES),
    text("--jtm", "adaptation.jtm", "joint text-multimodal module", MODES),
    text("--decoder", "adaptation.decoder", "answer decoder", MODES),
    number("--lora-r", "adaptation.r", "rank of the adapters"),
    number("--lora-alpha", "adaptation.alpha", "scale of the adapters is alpha / r"),
    number("--lora-dropout", "adaptation.dropout", "dropout in front of the adapters"),
  ],
  "Answers:": [
    text("--answering", "answering.method", "written freely, or ranked from the training answers", [
      "generate",
      "rank",
    ]),
    number("--beams", "answering.beams", "generate: width of the beam search"),
    number("--max-length", "answering.maxLength", "generate: tokens of an answer at most"),
    number("--rank-k", "answering.k", "rank: candidates that are scored in full"),
    {
      flag: "--mask-question-pads",
      key: "answering.maskQuestionPads",
      text: "hide the question's padding from the decoder",
    },
  ],
};

/** What `train` starts from where neither a config file nor a flag says otherwise. */
const BASE = { data: { set: "organ", folder: vqaRadFolder }, epochs: 30 } satisfies RunConfigInput;

const optionOf = ({ flag, text: about, choices }: RunFlag): Option => {
  const option = new Option(flag, about);
  if (choices) option.choices(choices);
  else if (flag.endsWith("<n>")) option.argParser(finiteNumber);
  return option;
};

export function addRunFlags(command: Command, groups: readonly string[] = Object.keys(runFlags)): Command {
  const defaults = RunConfig.parse(BASE);
  for (const group of groups) {
    command.optionsGroup(group);
    for (const flag of runFlags[group]) {
      const value = valueAt(defaults, flag.key);
      const shown = flag.key === "data.folder" ? "the package's VQA-RAD" : value;
      const about = value === undefined || value === false ? flag.text : `${flag.text} (default: ${shown})`;
      command.addOption(optionOf({ ...flag, text: about }));
    }
  }
  return command;
}

/** The values of the flags that were given, as a partial RunConfig. */
export function givenFlags(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const flag of Object.values(runFlags).flat()) {
    const value = options[optionOf(flag).attributeName()];
    if (value !== undefined) setAt(given, flag.key, value);
  }
  return given;
}

/** A config file: JSON, or what `run.json` of a run holds. */
export async function readConfigFile(file: string): Promise<Record<string, unknown>> {
  const value = io.parseJson(await io.readText(file, "Give a JSON file to --config"), file);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new io.FileFormatError(file, "it is not a JSON object", "See consilium train miss --help for its keys");
}

/** `from` (a file's values, or a saved run's), changed by the flags that were given. */
export function runConfig(
  options: Readonly<Record<string, unknown>>,
  from?: { values: object; file: string },
): RunConfig {
  const given = givenFlags(options);
  const flags = RunConfig.safeParse(merge(BASE, given));
  if (!flags.success)
    throw new UsageError(
      flags.error.issues
        .map((issue) => `${flagOf(issue.path)}: ${issue.message.replace(/^Invalid input: /, "")}`)
        .join("\n"),
    );
  const config = from ? io.parseWith(RunConfig, merge(merge(BASE, from.values), given), from.file) : flags.data;
  if (config.data.set === "slake" && config.data.folder === vqaRadFolder)
    throw new UsageError("--set slake needs --data, the folder with train.json, test.json and imgs/ of SLAKE.");
  checkVqaRad(config.data.folder);
  return config;
}

/** The flag that sets a key. */
function flagOf(path: readonly PropertyKey[]): string {
  const known = Object.values(runFlags)
    .flat()
    .find(({ key }) => key === path.join("."));
  return known?.flag.replace(/ <.*/, "") ?? path.join(".");
}

type Tree = Record<string, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);

function merge(below: object, above: object): Tree {
  const merged: Tree = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key];
    merged[key] = isTree(old) && isTree(value) ? merge(old, value) : value;
  }
  return merged;
}

const valueAt = (tree: unknown, key: string): unknown =>
  key.split(".").reduce<unknown>((value, part) => (isTree(value) ? value[part] : undefined), tree);

function setAt(tree: Tree, key: string, value: unknown): void {
  const parts = key.split(".");
  const last = parts.pop() as string;
  let at = tree;
  for (const part of parts) {
    at[part] ??= {};
    at = at[part] as Tree;
  }
  at[last] = value;
}
