import { join } from "node:path";
import { type Command, Option } from "commander";
import { openDevice } from "../../../engine/index.js";
import {
  initMedMoe,
  loadConversations,
  MED_MOE_PRESETS,
  type MedMoeCount,
  type MedMoePresetName,
  type SavedDType,
  vocabularyTexts,
  writeTinyMedMoe,
} from "../../../models/index.js";
import { addCommonOptions, type CommonOptions, list, wholeNumber } from "../options/common-options.js";
import { UsageError } from "../terminal/exit.js";
import { count } from "../terminal/format.js";
import { say, writeJson } from "../terminal/output.js";
import { tensorProgress } from "../terminal/tensor-progress.js";
import { exists } from "../train/run-folder.js";

interface Options extends CommonOptions {
  backbone: MedMoePresetName | "tiny";
  dense?: boolean;
  data?: string[];
  dtype: "bf16" | "f16" | "f32";
  seed: number;
  out: string;
}

const STORED = { bf16: "BF16", f16: "F16", f32: "F32" } as const satisfies Record<Options["dtype"], SavedDType>;

const ABOUT = `
The published sizes are for tests of speed and memory; they have no tokenizer. The tiny model has one, made for the words of
--data, or else of the prompt alone: train, eval and chat take it as it is, and its answers mean nothing before it is trained.

Examples:
  consilium init med-moe --backbone tiny --out runs/tiny
  consilium init med-moe --backbone tiny --dense --data instruct.json --out runs/base
  consilium init med-moe --backbone stablelm-2-1.6b --out medmoe-random`;

export function addInitMedMoe(command: Command): void {
  command
    .addOption(
      new Option("--backbone <name>", "the language model it is built on")
        .choices([...Object.keys(MED_MOE_PRESETS), "tiny"])
        .makeOptionMandatory(),
    )
    .option("--dense", "without mixtures of experts: what the stages of training begin with")
    .option(
      "--data <files>",
      "tiny: conversations in LLaVA's layout, with commas between files, for the tokenizer",
      list,
    )
    .addOption(new Option("--dtype <type>", "how weights are stored").choices(Object.keys(STORED)).default("bf16"))
    .option("--seed <n>", "of the weights", wholeNumber, 0)
    .requiredOption("--out <folder>", "where to write it: 7.2 GB for stablelm-2-1.6b and 12.9 GB for phi-2 in bf16");
  addCommonOptions(command).addHelpText("after", ABOUT).action(run);
}

async function run(options: Options): Promise<void> {
  const { backbone, dense = false, data, dtype, seed, out } = options;
  if (data && backbone !== "tiny") throw new UsageError("--data is for --backbone tiny: the others have no tokenizer.");
  if (await exists(join(out, "config.json")))
    throw new UsageError(`--out ${out} holds a model already. Remove it, or write elsewhere.`);
  const counts = backbone === "tiny" ? await tiny(options) : await published({ ...options, backbone });
  say(
    options,
    `${out}: ${backbone}, ${dtype}, ${count(counts.stored)} parameters stored, ${count(counts.activated)} of the language model activated by a token`,
  );
  await writeJson(options, {
    version: 1,
    command: "init med-moe",
    config: { backbone, dense, data: data ?? null, dtype, seed, out },
    counts,
  });
}

async function published({ backbone, dense, dtype, seed, out }: Options & { backbone: MedMoePresetName }) {
  // For shapes alone.
  using device = await openDevice("cpu", { threads: 1 });
  const onTensor = tensorProgress("written");
  return await initMedMoe(out, { backbone, dense, dtype: STORED[dtype], seed, device, onTensor });
}

async function tiny({ dense, data, dtype, seed, out, threads }: Options): Promise<MedMoeCount> {
  const conversations = data ? await loadConversations(data, { requireImages: false }) : [];
  const texts = vocabularyTexts(conversations);
  using device = await openDevice("cpu", { threads });
  return await writeTinyMedMoe(out, { device, texts, seed, mixtures: !dense, dtype: STORED[dtype] });
}
