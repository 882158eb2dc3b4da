import { type Command, Option } from "commander";
import { type DataSet, folderSets, formatInstructions, instructionsOf, loadDataSet } from "../../../models/index.js";
import { quoted } from "../options/command-line.js";
import { addOutputOptions, wholeNumber } from "../options/common-options.js";
import { dataArgument } from "../options/data-argument.js";
import { addRunFlags, TABLE } from "../options/run-flags.js";
import { UsageError } from "../terminal/exit.js";
import { count } from "../terminal/format.js";
import { type OutputOptions, say, writeFileIn, writeJson } from "../terminal/output.js";

interface Options extends OutputOptions {
  set?: (typeof folderSets)[number];
  out: string;
  seed: number;
}

const EXAMPLES = `
Each question gets five prompts, four of them with options, and a sixth where it is answered by yes or no; training draws one each
time. Of a data set with parts only the training questions are taken.

Examples:
  consilium data instruct rows.csv --columns image=file,answer=label --image-folder images --out instructions.json
  consilium train miss --data instructions.json --form instruction --image-folder images --out runs/instructed`;

export function addDataInstruct(command: Command): void {
  command
    .argument("<path>", "a table (.csv, .tsv, .jsonl), or a folder in the layout of data/vqa-rad or of SLAKE")
    .addOption(new Option("--set <choice>", "which questions of a folder (default: by its files)").choices(folderSets))
    .requiredOption("--out <file>", "the JSON file to write")
    .option("--seed <n>", "of the options that are offered", wholeNumber, 42);
  addRunFlags(command, [TABLE]);
  addOutputOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const data = await dataArgument(path, options.set, { ...options });
  const parts = await loadDataSet(data);
  const records = parts.train ?? parts.unsplit ?? [];
  if (records.length === 0) throw new UsageError(`${path} has no training question to make instructions of.`);
  const imageFolder = imagesOf(data);
  const instructions = instructionsOf(records, { imageFolder, seed: options.seed });
  await writeFileIn(options.out, formatInstructions(instructions));
  const prompts = instructions.reduce((sum, { question_pool }) => sum + question_pool.length, 0);
  const flags = ["--data", options.out, "--form", "instruction", "--image-folder", imageFolder || "."]
    .map(quoted)
    .join(" ");
  say(
    options,
    `${count(instructions.length)} questions with ${count(prompts)} prompts in ${options.out}. Train on them with: ${flags}`,
  );
  await writeJson(options, {
    version: 1,
    command: "data instruct",
    path,
    data,
    out: options.out,
    imageFolder,
    questions: instructions.length,
    prompts,
  });
}

/** What the names of the images are told from. */
function imagesOf(data: DataSet): string {
  if (data.set === "tables") return data.options.imageFolder ?? data.folder;
  if (data.set !== "table") return data.folder;
  return data.images ?? /^(.*)[\\/]/.exec(data.file)?.[1] ?? "";
}
