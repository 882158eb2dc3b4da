import { type Command, InvalidArgumentError, Option } from "commander";
import { openDevice } from "../../../engine/index.js";
import { initMedMoe, MED_MOE_PRESETS, type MedMoePresetName, type SavedDType } from "../../../models/index.js";
import { addCommonOptions, type CommonOptions } from "../common-options.js";
import { count } from "../format.js";
import { say, writeJson } from "../output.js";
import { tensorProgress } from "../tensor-progress.js";

interface Options extends CommonOptions {
  backbone: MedMoePresetName;
  dtype: "bf16" | "f16" | "f32";
  seed: number;
  out: string;
}

const STORED = { bf16: "BF16", f16: "F16", f32: "F32" } as const satisfies Record<Options["dtype"], SavedDType>;

export function addInitMedMoe(init: Command): void {
  const command = init
    .command("med-moe")
    .description("write a Med-MoE model of published sizes with random weights: for tests of speed and memory")
    .addOption(
      new Option("--backbone <name>", "the language model it is built on")
        .choices(Object.keys(MED_MOE_PRESETS))
        .makeOptionMandatory(),
    )
    .addOption(new Option("--dtype <type>", "how weights are stored").choices(Object.keys(STORED)).default("bf16"))
    .option("--seed <n>", "of the weights", wholeNumber, 0)
    .requiredOption("--out <folder>", "where to write it: 7.2 GB for stablelm-2-1.6b and 12.9 GB for phi-2 in bf16");
  addCommonOptions(command)
    .addHelpText("after", "\nExamples:\n  consilium init med-moe --backbone tiny --out runs/tiny")
    .action(run);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value >= 0))
    throw new InvalidArgumentError("It is a whole number of 0 or more.");
  return value;
}

async function run(options: Options): Promise<void> {
  const { backbone, dtype, seed, out } = options;
  // For shapes alone: addresses, of which no page is touched.
  const device = await openDevice("cpu", { threads: 1, memoryBudget: Number.MAX_SAFE_INTEGER });
  try {
    const onTensor = tensorProgress("written");
    const counts = await initMedMoe(out, { backbone, dtype: STORED[dtype], seed, device, onTensor });
    say(
      options,
      `${out}: ${backbone}, ${dtype}, ${count(counts.stored)} parameters stored, ${count(counts.activated)} of the language model activated by a token`,
    );
    await writeJson(options, { version: 1, command: "init med-moe", config: { backbone, dtype, seed, out }, counts });
  } finally {
    device.close();
  }
}
