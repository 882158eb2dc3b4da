import { type Command, Option } from "commander";
import { exportMedMoe, readMedMoeConfig, type SavedDType } from "../../../models/index.js";
import { addCommonOptions, byteSize, type CommonOptions, openChosenDevice } from "../options/common-options.js";
import { addMedMoeParts, type MedMoeModelOptions, medMoePlaces } from "../options/med-moe-model.js";
import { resolveModel } from "../options/model-path.js";
import { count } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { say, writeJson } from "../terminal/output.js";

interface Options extends CommonOptions, MedMoeModelOptions {
  to: "hf";
  out: string;
  dtype: "bf16" | "f16" | "f32";
  /** Bytes. */
  maxShardSize: number;
}

const STORED = { bf16: "BF16", f16: "F16", f32: "F32" } as const satisfies Record<Options["dtype"], SavedDType>;

const ABOUT = `
It writes config.json, weights in shards with their index, the tokenizer, the vision tower, mm_projector.bin and router.pth:
what the published code loads, and every command here. Nothing of the training goes with it: adapters are folded into their
weights, the state of a run stays behind. Of a run that is not finished it takes the last checkpoint. (\`convert\` writes a folder
anew with weights of another type, 4 and 8 bits among them, which only this program reads.)

Examples:
  consilium export runs/moe --out release
  consilium export runs/align --model-base stablelm-2-1_6b --tower openai/clip-vit-large-patch14-336 --out release --dtype f32`;

export function addExport(command: Command): void {
  command
    .argument("<folder>", "the model, or a run of train med-moe")
    .addOption(new Option("--to <layout>", "hf: the layout of Hugging Face's libraries").choices(["hf"]).default("hf"))
    .requiredOption("--out <folder>", "where to write it")
    .addOption(new Option("--dtype <type>", "how weights are stored").choices(Object.keys(STORED)).default("bf16"))
    .addOption(
      new Option("--max-shard-size <size>", "most of a file, as 500MB or 5GB").argParser(byteSize).default(5e9, "5GB"),
    )
    .optionsGroup("Parts in other places:");
  addCommonOptions(addMedMoeParts(command)).addHelpText("after", ABOUT).action(run);
}

async function run(given: string, options: Options): Promise<void> {
  const { to, out, dtype, maxShardSize: maxShardBytes } = options;
  const { folder, parts } = await medMoePlaces(given, options);
  using device = await openChosenDevice(options);
  const find = async (name: string) => {
    using interruption = new Interruption("waiting for the network");
    return await resolveModel(name, options, interruption);
  };
  const written = await exportMedMoe(folder, out, { ...parts, device, dtype: STORED[dtype], maxShardBytes, find });
  const { files, step, unused, parameters } = written;
  const { family } = await readMedMoeConfig(out);
  if (unused.length > 0) process.stderr.write(`left out, as the model does not have them: ${unused.join(", ")}\n`);
  const source = step === null ? "" : `, after step ${count(step)} of its run`;
  say(options, `${out}: Med-MoE, family ${family}${source}, ${count(parameters)} parameters in ${dtype}`);
  if (!files.includes("router.pth"))
    say(options, "No router.pth: it has no mixtures, or each has a router of its own, which is in its weights.");
  await writeJson(options, {
    version: 1,
    command: "export",
    config: { folder: given, to, out, dtype, maxShardBytes },
    files,
    step,
    unused,
    parameters,
  });
}
