/** `consilium adapter export`, `import` and `merge`: adapters in the layout of Hugging Face's peft. */
import { type Command, Option } from "commander";
import { platform } from "#platform";
import { OptionError } from "../../../engine/index.js";
import { type Maker, PARTS, TunedModel } from "../../../models/index.js";
import { commandLine } from "../options/command-line.js";
import { addCommonOptions, type CommonOptions, openChosenDevice } from "../options/common-options.js";
import { packageVersion } from "../package-files.js";
import { say, writeJson } from "../terminal/output.js";

interface Options extends CommonOptions {
  out: string;
}
interface ExportOptions extends Options {
  base?: string;
}
interface BesideOptions extends Options {
  model?: string;
  part?: "vit" | "jtm" | "dec";
  otherBase?: boolean;
}

const LAYOUT = `
A folder for each tuned module (visual_encoder, text_encoder, text_decoder) with adapter_config.json and adapter_model.safetensors: what
PeftModel.from_pretrained reads around that module, and save_pretrained writes. Of a prefix the evaluated table is kept.
`;

export function addAdapterExport(command: Command): void {
  command
    .argument("<folder>", "a run of train miss, or a model with adapters beside its weights")
    .requiredOption("--out <folder>", "where to write the adapters")
    .option("--base <folder>", "write the model without its adapters, too: what they belong to");
  addCommonOptions(command)
    .addHelpText(
      "after",
      `${LAYOUT}
Examples:
  consilium adapter export runs/lora --out runs/adapters --base runs/base
  consilium adapter export runs/prefix --out runs/adapters`,
    )
    .action(exportAdapters);
}

export function addAdapterImport(command: Command): void {
  addBeside(command)
    .addHelpText(
      "after",
      `${LAYOUT}
Every difference between adapter and model is listed at once, before anything is written.

Examples:
  consilium adapter import runs/adapters --model runs/base --out runs/tuned
  consilium adapter import MILE_PEFT_text_decoder_checkpoint_9 --model runs/base --part dec --other-base --out runs/tuned`,
    )
    .action((adapter, options) => takeIn("import", adapter, options));
}

export function addAdapterMerge(command: Command): void {
  addBeside(command)
    .addHelpText(
      "after",
      `
LoRA and IA3 become part of the weights. A prefix is no change of weights: keep it beside them by \`adapter import\`.

Examples:
  consilium adapter merge runs/tuned --out runs/merged
  consilium adapter merge runs/adapters --model runs/base --out runs/merged`,
    )
    .action((adapter, options) => takeIn("merge", adapter, options));
}

const addBeside = (command: Command): Command =>
  addCommonOptions(
    command
      .argument("<adapter>", "folder of an adapter, or of several by module; without --model a model that has some")
      .option("--model <folder>", "the model that it belongs to")
      .requiredOption("--out <folder>", "where to write the model")
      .addOption(
        new Option("--part <choice>", "the module that it is for (default: as its tensors tell)").choices([
          "vit",
          "jtm",
          "dec",
        ]),
      )
      .option("--other-base", "take it though it was trained beside other weights"),
  );

async function exportAdapters(folder: string, options: ExportOptions): Promise<void> {
  const { out, base } = options;
  await refuseFolders(out, base);
  using device = await openChosenDevice(options);
  using tuned = await TunedModel.of(folder, { device });
  // A run's own model has LoRA and IA3 folded in: it is no base of theirs.
  const bare = tuned.roots.every((root) => tuned.folder.adapters?.includes(root));
  const maker = makerOf("export", folder, "--out", out, ...(base ? ["--base", base] : []));
  await tuned.saveAdapters(out, base ?? (bare ? folder : undefined), maker);
  if (base) await tuned.saveBase(base, maker);
  const modules = tuned.roots.map((root) => `${out}/${root}`);
  say(options, modules.join("\n"));
  if (base) say(options, `model without them: ${base}`);
  else if (!bare)
    say(
      options,
      `they name no base: ${folder} has them folded in. --base FOLDER writes the model without them, and names it.`,
    );
  await writeJson(options, {
    version: 1,
    command: "adapter export",
    config: { folder, out, base: base ?? null },
    adapters: modules,
  });
}

async function takeIn(verb: "import" | "merge", adapter: string, options: BesideOptions): Promise<void> {
  const { model, out, part, otherBase } = options;
  await refuseFolders(out);
  using device = await openChosenDevice(options);
  if (!model && verb === "import")
    throw new OptionError("adapter import needs --model, the model that the adapter belongs to.");
  using tuned = model
    ? await TunedModel.beside(model, adapter, { device, part, otherBase })
    : await TunedModel.of(adapter, { device });
  const beside = [...(model ? ["--model", model] : []), ...(part ? ["--part", part] : [])];
  const maker = makerOf(verb, adapter, ...beside, "--out", out, ...(otherBase ? ["--other-base"] : []));
  if (verb === "import") await tuned.save(out, maker);
  else await tuned.saveMerged(out, maker);
  const modules = tuned.roots.map((root) => PARTS[root]);
  say(
    options,
    `${out}: ${modules.join(", ")} ${verb === "import" ? "with adapters beside the weights" : "with adapters folded in"}`,
  );
  await writeJson(options, {
    version: 1,
    command: `adapter ${verb}`,
    config: { adapter, model: model ?? null, out, part: part ?? null },
    modules,
  });
}

/** What origin.json says of the command. */
const makerOf = (...words: string[]): Maker => ({
  command: commandLine("adapter", ...words),
  versions: { consilium: packageVersion, "Node.js": process.versions.node },
});

/** A model is not written over. */
async function refuseFolders(...folders: (string | undefined)[]): Promise<void> {
  for (const folder of folders)
    if (folder && (await platform.exists(`${folder}/model.safetensors`)))
      throw new OptionError(`${folder} holds a model already. Choose another folder, or remove this one first.`);
}
