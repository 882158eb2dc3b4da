import { type Command, InvalidArgumentError } from "commander";
import { io } from "../../../engine/index.js";
import {
  earlierNames,
  type FolderData,
  folderSets,
  isTableFile,
  publishedForms,
  RunConfig,
  type RunConfigInput,
  type TableColumns,
  tableRoles,
  textMethods,
  visionMethods,
} from "../../../models/index.js";
import { checkVqaRad, vqaRadFolder } from "../package-files.js";
import { UsageError } from "../terminal/exit.js";
import type { GivenSettings } from "./config-file.js";
import {
  addFlags,
  type FlagGroups,
  flagNamed,
  merge,
  number,
  type RunFlag,
  type Tree,
  text,
  valueAt,
  valuesGiven,
} from "./config-flags.js";
import { configText, keysBeside } from "./config-text.js";
import { type Issue, plainIssue } from "./plain-issue.js";
import { augmentFlag, stepFlags } from "./step-flags.js";
import { faultsOfFile } from "./whose-fault.js";

/** A tuning method in any case, `LoRA` or `f`; what is none is explained by the settings' own check. */
const method =
  (methods: readonly string[]) =>
  (given: string): string =>
    methods.find((known) => known.toLowerCase() === given.toLowerCase()) ?? given;

const tuned = (flag: string, key: string, about: string, methods: readonly string[]): RunFlag => ({
  flag: `${flag} <method>`,
  key,
  text: `${about}: ${methods.join(", ")}`,
  parse: method(methods),
});

/** `image=file,question=q`: the names of columns by what they are. */
function columnNames(given: string): TableColumns {
  const columns: Record<string, string> = {};
  for (const part of given.split(",")) {
    const [, role, name] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    if (!name) throw new InvalidArgumentError("It is a list as image=file,question=text,answer=label,group=patient.");
    if (!tableRoles.includes(role as keyof TableColumns))
      throw new InvalidArgumentError(
        `${io.didYouMean(role, tableRoles)}A column is one of ${tableRoles.join(", ")}; "${role}" is none.`,
      );
    if (Object.hasOwn(columns, role)) throw new InvalidArgumentError(`It names the column of ${role} twice.`);
    columns[role] = name;
  }
  return columns;
}

/** `80,10,10`, or `80,20` without validation. */
function shares(given: string): number[] {
  const numbers = given.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const [train, second, third] = numbers;
  const three = numbers.length === 2 ? [train, 0, second] : [train, second, third];
  const sound = [2, 3].includes(numbers.length) && three.every((n) => n >= 0) && train > 0 && three[2] > 0;
  if (!sound || Math.abs(three[0] + three[1] + three[2] - 100) > 1e-6)
    throw new InvalidArgumentError(
      "It is the percent of the groups that train, validate and test, as 80,10,10 or 80,20.",
    );
  return three;
}

/** The group of the flags for a table of one's own. */
export const TABLE = "A table of your own (--data FILE.csv):";

/** The group of the flag for rows that training and evaluation share. */
export const LEAK = "Overlap of training and evaluation:";

/** The group of the flags for F, T and the methods of MILE's tables. */
export const TUNING = "How each module is tuned (F frozen, T trained in full, or by a method that freezes it):";

/** The group of what the methods themselves are told. */
export const METHODS = "Tuning methods:";

/** Every key of RunConfig as a flag, in the groups of the help. */
export const runFlags: FlagGroups = {
  "Data:": [
    text("--set", "data.set", "which questions", folderSets),
    text("--data", "data.folder", "folder in the layout of data/vqa-rad or of SLAKE, or a table: .csv, .tsv, .jsonl"),
    text("--images", "images", "blank or shuffled images, for a baseline", ["real", "blank", "shuffled"]),
    augmentFlag("training rows"),
    number("--validation", "validation", "share of the training images held back to choose the checkpoint"),
    number("--validate-every", "validateEvery", "epochs between validations"),
    number("--validate-every-steps", "validateEverySteps", "steps between validations, in place of epochs"),
    number("--patience", "patience", "end after this many validations without a better one (default: all epochs)"),
  ],
  [TABLE]: [
    {
      flag: "--columns <names>",
      key: "data.columns",
      text: `names of the columns, as image=file,group=patient: ${tableRoles.join(", ")} (default: these names)`,
      parse: columnNames,
    },
    text("--image-folder", "data.images", "folder of the images (default: that of the table)"),
    text("--form", "data.form", "JSON as MISS or MILE reads it, in the place of columns", publishedForms),
    {
      flag: "--reference-bugs",
      key: "data.referenceBugs",
      text: "do what the published reader of the form does by mistake",
    },
    text("--test-data", "data.test.file", "another file with the rows of the test; all others are then for training"),
    text("--test-images", "data.test.images", "folder of its images (default: --image-folder)"),
    text("--test-form", "data.test.form", "the form of that file (default: columns)", publishedForms),
  ],
  [LEAK]: [
    {
      flag: "--allow-leak",
      key: "data.allowLeak",
      text: "go on though evaluation shares rows with training, or cannot be compared with it; reports say it",
    },
  ],
  "How a table without a column for it is split:": [
    {
      flag: "--split <shares>",
      key: "data.split",
      text: "percent of the groups (without groups: images) that train, validate and test (default: 80,10,10)",
      parse: shares,
    },
  ],
  "Model:": [
    text("--preset", "preset", "sizes", ["tiny", "small", "base"]),
    text("--init", "init", "start from a checkpoint: a file or a model folder"),
    number("--image-size", "imageSize", "side of the images in pixels (default: the preset's)"),
    text("--vocabulary", "vocabulary", "full, or only the pieces that the training texts use", ["full", "reduced"]),
    text(
      "--scaling",
      "scaling",
      "pixels as published, divided by 255 twice, to [-1, 1], or by CLIP's means and deviations",
      ["published", "ordinary", "clip"],
    ),
  ],
  "Optimisation:": [
    number("--epochs", "epochs", "passes over the training questions"),
    number("--batch", "batch", "questions computed at a time"),
    number("--accumulate", "accumulate", "batches of a step: the same as one batch that large, in less memory"),
    number("--lr", "lr", "largest learning rate"),
    number("--min-lr", "minLr", "learning rate at the end"),
    number("--warmup-steps", "warmupSteps", "steps with a rising learning rate"),
    text("--schedule", "schedule", "cosine by epoch, as published, or by step", ["epoch", "step"]),
    ...stepFlags,
  ],
  [TUNING]: [
    tuned("--vit", "adaptation.vit", "vision transformer", visionMethods),
    tuned("--jtm", "adaptation.jtm", "joint text-multimodal module", textMethods),
    tuned("--dec", "adaptation.dec", "answer decoder", textMethods),
  ],
  [METHODS]: [
    number("--rank", "adaptation.rank", "lora: rank of the adapters"),
    number("--lora-alpha", "adaptation.alpha", "lora: scale of the adapters is alpha / rank"),
    number("--lora-dropout", "adaptation.dropout", "lora: dropout in front of the adapters"),
    number("--virtual-tokens", "adaptation.tokens", "prefix, ptv2: keys in front of those of words"),
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

export function addRunFlags(command: Command, groups: readonly string[] = Object.keys(runFlags)): Command {
  const defaults = RunConfig.parse(BASE);
  const shown = (key: string) => (key === "data.folder" ? "the package's VQA-RAD" : valueAt(defaults, key));
  return addFlags(command, runFlags, shown, groups);
}

/** The values of the flags that were given, of some groups, as a partial RunConfig. */
export function givenFlags(
  options: Readonly<Record<string, unknown>>,
  groups: readonly string[] = Object.keys(runFlags),
): Tree {
  const given = valuesGiven(
    options,
    groups.flatMap((group) => runFlags[group]),
  );
  const { folder, ...data } = (given.data ?? {}) as Tree;
  if (typeof folder === "string" && isTableFile(folder)) {
    if (data.set) throw new UsageError(`--set is for a folder; ${folder} is a table. Leave it out.`);
    given.data = { ...data, set: "table", file: folder };
  }
  return given;
}

/** How the modules are tuned, by the flags of both groups. Throws UsageError. */
export function tuningOf(options: Readonly<Record<string, unknown>>): RunConfig["adaptation"] {
  const { adaptation } = givenFlags(options, [TUNING, METHODS]);
  const parsed = RunConfig.shape.adaptation.safeParse(adaptation);
  if (parsed.success) return parsed.data;
  throw wrongFlags(parsed.error.issues.map((issue) => ({ ...issue, path: ["adaptation", ...issue.path] })));
}

const wrongFlags = (issues: readonly Issue[], others: readonly string[] = []) =>
  new UsageError([...issues.map((issue) => `${flagOf(issue.path)}: ${plainIssue(issue)}`), ...others].join("\n"));

/** `from` (a file's values, or a saved run's), changed by the flags that were given. Throws where its data is not here. */
export function runConfig(options: Readonly<Record<string, unknown>>, from?: GivenSettings): RunConfig {
  const config = runSettings(options, from);
  if (config.data.set !== "table") checkVqaRad(config.data.folder);
  return config;
}

/** The same as a file that explains itself; nothing of what it names need be here. */
export function runText(options: Readonly<Record<string, unknown>>, from?: GivenSettings): string {
  const config = runSettings(options, from);
  const head = ["Settings of consilium train miss: --config takes this file, flags change it."];
  return configText(config, { head, groups: runFlags, ...keysBeside(RunConfig, config) });
}

function runSettings(options: Readonly<Record<string, unknown>>, recorded?: GivenSettings): RunConfig {
  const from = recorded && { ...recorded, values: earlierNames(recorded.values) as Tree };
  const given = givenFlags(options);
  const data = merged(from ? merged(BASE, from.values) : BASE, given).data as Tree;
  if (data?.set !== "table") refuseTableFlags(given);
  // What flags change of a saved table is nothing without it.
  const flags = RunConfig.safeParse({ ...merged(BASE, given), ...(data?.set === "table" && { data }) });
  const values = from ? merged(merged(BASE, from.values), given) : null;
  if (!flags.success)
    throw wrongFlags(flags.error.issues, from && values ? faultsOfFile(RunConfig, values, given, from) : []);
  const config = from && values ? io.parseWith(RunConfig, values, from.file, from.lineOf) : flags.data;
  if (config.data.set === "slake" && config.data.folder === vqaRadFolder)
    throw new UsageError("--set slake needs --data, the folder with train.json, test.json and imgs/ of SLAKE.");
  return config;
}

/** What flags say of a folder, too. */
const OF_FOLDERS: readonly string[] = ["set", "folder", "allowLeak"] satisfies (keyof FolderData)[];

/** Throws where a flag for tables was given without one. */
function refuseTableFlags(given: Tree): void {
  const [key] = Object.keys((given.data ?? {}) as Tree).filter((name) => !OF_FOLDERS.includes(name));
  if (key)
    throw new UsageError(`${flagOf(["data", key])} is for a table: name it with --data FILE.csv (.tsv, .jsonl).`);
}

/** The flag that sets a key. */
const flagOf = (path: readonly PropertyKey[]): string =>
  flagNamed(runFlags, path.join(".") === "data.file" ? "data.folder" : path.join("."));

const merged = (below: object, above: object): Tree => merge(below, above, isOtherData);

/** A table in the place of a folder, or the other way round: nothing of the old one stays. */
const isOtherData = (old: Tree, value: Tree) =>
  value.set !== undefined && (old.set === "table") !== (value.set === "table");
