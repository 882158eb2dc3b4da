import { type Command, InvalidArgumentError } from "commander";
import { MedMoeRunConfig, type MedMoeStage, medMoeSets } from "../../../models/index.js";
import { checkVqaRad, vqaRadFolder } from "../package-files.js";
import { UsageError } from "../terminal/exit.js";
import { list } from "./common-options.js";
import type { GivenSettings } from "./config-file.js";
import {
  addFlags,
  type FlagGroups,
  flagNamed,
  isTree,
  merge,
  number,
  type Tree,
  text,
  valuesGiven,
} from "./config-flags.js";
import { configText, keysBeside } from "./config-text.js";
import { type Issue, plainIssue } from "./plain-issue.js";
import { refuseSettings } from "./whose-fault.js";

const PARTS = ["tower", "language"];

/** Names of parts, as `tower,language`. */
function parts(given: string): string[] {
  const named = list(given);
  const unknown = named.find((part) => !PARTS.includes(part));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`It is a list of ${PARTS.join(", ")}; "${unknown}" is neither.`);
  return named;
}

/** Numbers of layers, as `0,2`. */
function layerNumbers(given: string): number[] {
  const numbers = list(given).map(Number);
  if (numbers.some((n) => !Number.isInteger(n) || n < 0))
    throw new InvalidArgumentError("It is a list of layers, counted from 0: 0,2,4.");
  return numbers;
}

const on = (
  flag: string,
  key: string,
  about: string,
): readonly [{ flag: string; key: string; text: string }, { flag: string; key: string; text: string }] => [
  { flag: `--${flag}`, key, text: about },
  { flag: `--no-${flag}`, key, text: "the opposite" },
];

/** Every key of MedMoeRunConfig as a flag, in the groups of the help. */
export const medMoeFlags: FlagGroups = {
  "Where it starts, by path or by name on a hub:": [
    text("--model-path", "model", "model to start from: the language model, or what an earlier stage wrote"),
    text("--tower", "tower", "CLIP tower (default: the folder that the model's config.json names)"),
    text("--projector", "projector", "what stage align wrote: its folder, or mm_projector.bin"),
    {
      flag: "--new-projector",
      key: "newProjector",
      text: "stages instruct and moe: start the projector at random where the model has none",
    },
    text("--router", "router", "stage moe: what stage router wrote: its folder, or router.pth"),
  ],
  "Data:": [
    {
      flag: "--data <files>",
      key: "data.files",
      text: "conversations in LLaVA's layout: a .json, or several with commas. With --set: the folder of VQA-RAD",
      parse: list,
    },
    text("--image-folder", "data.images", "folder of the images (default: that of the first file)"),
    text("--set", "data.set", "VQA-RAD in the place of files, split by image", medMoeSets),
    { flag: "--smoke", key: "data.smoke", text: "with --set: 24 images, a run of seconds" },
    number("--validation", "validation", "share of the images held back and measured after each epoch (default: 0)"),
    number("--validate-every-steps", "validateEverySteps", "steps between validations, in place of epochs"),
    number("--patience", "patience", "end after this many validations without a lower loss (default: all epochs)"),
    text("--keep", "keep", "leave the last weights (default), or those of the lowest loss on held-back images", [
      "last",
      "best",
    ]),
  ],
  "Texts and images:": [
    text("--template", "template", "how conversations are written (default: plain to align, else the model's)", [
      "plain",
      "stablelm",
      "phi",
    ]),
    number("--max-length", "maxLength", "longest text, in ids (default: 2048)"),
    ...on("pad", "pad", "pad images to squares (default: stages instruct and moe)"),
  ],
  "Optimisation:": [
    number("--epochs", "epochs", "passes over the data (default: align 1, instruct 3, router 10, moe 9)"),
    number("--batch", "batch", "conversations computed at a time (default: 8)"),
    number(
      "--accumulate",
      "accumulate",
      "batches of a step (default: 1; instruct and moe 2); router: conversations (32)",
    ),
    number("--lr", "lr", "largest learning rate (default: align and router 1e-3, else 2e-5)"),
    number("--projector-lr", "projectorLr", "that of the projector (default: --lr)"),
    number("--warmup-ratio", "warmupRatio", "share of the steps with a rising rate (default: 0.03)"),
    number("--weight-decay", "weightDecay", "of matrices (default: 0)"),
    number("--clip-norm", "clipNorm", "largest gradient norm (default: no clipping, as published)"),
    ...on("group-by-length", "groupByLength", "batches of like lengths (default: stage instruct)"),
    text("--precision", "precision", "type of products, around f32 weights (default: bf16; webgpu: f32, f16)", [
      "f32",
      "bf16",
      "f16",
    ]),
    ...on("checkpoint-layers", "checkpointLayers", "compute layers twice to save memory (default: yes)"),
    number("--seed", "seed", "same seed, device and settings: same bits (default: 42)"),
  ],
  "What is trained:": [
    {
      flag: "--also-train <parts>",
      key: "alsoTrain",
      text: `parts that the stage freezes as published, for a start from random weights: ${PARTS.join(", ")}`,
      parse: parts,
    },
    text("--lora", "lora.targets", "low-rank adapters in all linear layers of the language model, or in its MLPs", [
      "all",
      "ffn",
    ]),
    number("--lora-r", "lora.r", "rank of the adapters (default: 128)"),
    number("--lora-alpha", "lora.alpha", "scale of the adapters is alpha / r (default: 256)"),
    number("--lora-dropout", "lora.dropout", "dropout in front of the adapters (default: 0.05)"),
    text("--dtype", "dtype", "type of the weights that are written (default: BF16)", ["BF16", "F16", "F32"]),
  ],
  "Stage moe:": [
    number("--experts", "experts", "experts of a mixture (default: as many as the router tells apart; without one 4)"),
    number("--top-k", "topK", "experts of a token, 1 or 2 (default: 1)"),
    text("--mode", "mode", "which layers become mixtures (default: sparse, every second)", [
      "first_half",
      "second_half",
      "sparse",
      "dense",
    ]),
    { flag: "--layers <list>", key: "layers", text: "these layers instead, as 0,2,4", parse: layerNumbers },
    { flag: "--residual", key: "residual", text: "DeepSpeed's residual mixtures" },
    number("--aux-loss", "auxLoss", "weight of the load-balancing losses (default: 0)"),
    {
      flag: "--paper",
      key: "paper",
      text: "train experts and meta experts alone, as the paper says; its code trains more",
    },
    { flag: "--train-router", key: "trainRouter", text: "train the routers of the mixtures, too" },
  ],
  "Stage router:": [
    text(
      "--leftovers",
      "leftovers",
      "an epoch's last conversations: a smaller step (default), or carried over as published",
      ["step", "carry"],
    ),
  ],
};

export const addMedMoeFlags = (command: Command): Command => addFlags(command, medMoeFlags, () => undefined);

const ALL = Object.values(medMoeFlags).flat();

type Options = Readonly<Record<string, unknown>> & { readonly stage?: MedMoeStage };

/** `from` (a file's values, or a saved run's), changed by the flags that were given. Throws UsageError naming flags. */
export function medMoeConfig(options: Options, from?: GivenSettings): MedMoeRunConfig {
  const config = medMoeSettings(options, from);
  if (config.data.set !== "json") checkVqaRad(config.data.folder);
  return config;
}

/** Stands where a stage needs what nobody named yet. */
const UNNAMED = { model: "MODEL", data: { set: "json", files: ["CONVERSATIONS.json"] } };

/** The same as a file that explains itself; what it needs and nobody named has a name to put another in the place of. */
export function medMoeText(options: Options, from?: GivenSettings): string {
  const config = medMoeSettings(options, from, UNNAMED);
  const head = [
    `Settings of consilium train med-moe, stage ${config.stage}: --config takes this file, flags change it.`,
  ];
  return configText(config, { head, groups: medMoeFlags, ...keysBeside(MedMoeRunConfig, config) });
}

function medMoeSettings(options: Options, from?: GivenSettings, unnamed: Tree = {}): MedMoeRunConfig {
  const flags = given(options);
  const isOther = (old: Tree, value: Tree) => old.set !== value.set && value.set !== undefined;
  const values = merge(merge(unnamed, from?.values ?? {}, isOther), flags, isOther);
  if (values.stage === undefined) throw new UsageError("--stage is missing: align, instruct, router or moe.");
  for (const [key, flag] of [
    ["model", "--model-path"],
    ["data", "--data"],
  ])
    if (values[key] === undefined) throw new UsageError(`${flag} is missing. See consilium train med-moe --help.`);
  const parsed = MedMoeRunConfig.safeParse(values);
  if (!parsed.success)
    refuseSettings(MedMoeRunConfig, { values, flags, from }, parsed.error.issues, (issue) =>
      faults(issue, String(values.stage)),
    );
  return parsed.data;
}

/** What the other sort of data takes. */
const OF_DATA: Readonly<Record<string, string>> = {
  "data.images":
    "with --set, images are those in the folder of VQA-RAD: name that by --data, or leave --image-folder out.",
  "data.smoke": "only with --set: files are taken whole.",
};

function faults(issue: Issue, stage: string) {
  if (issue.code === "unrecognized_keys" && issue.keys)
    return issue.keys.map((key) => {
      const named = [...issue.path, key].join(".");
      return `${flagNamed(medMoeFlags, named)}: ${OF_DATA[named] ?? `not for stage ${stage}.`}`;
    });
  return [`${flagNamed(medMoeFlags, issue.path.join("."))}: ${plainIssue(issue)}`];
}

function given(options: Readonly<Record<string, unknown>>): Tree {
  const { paper, ...values } = valuesGiven(options, ALL);
  const data = isTree(values.data) ? values.data : null;
  const isJson = data && (data.set === undefined ? data.files !== undefined : false);
  return {
    ...(options.stage !== undefined && { stage: options.stage }),
    ...values,
    ...(paper === true && { trains: "paper" }),
    ...(data && { data: isJson ? { ...data, set: "json" } : byName(data) }),
  };
}

/** The package's VQA-RAD, or the folder that --data names. */
function byName({ files, ...data }: Tree): Tree {
  if (data.set === undefined) return data;
  const folder = Array.isArray(files) ? files[0] : vqaRadFolder;
  return { ...data, folder };
}
