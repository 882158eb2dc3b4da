import { type Command, Option } from "commander";
import {
  checkData,
  type DataCheck,
  folderSets,
  isTableFile,
  RunConfig,
  type RunConfigInput,
  type TableData,
} from "../../../models/index.js";
import { addOutputOptions } from "../options/common-options.js";
import { addRunFlags, givenFlags, TABLE } from "../options/run-flags.js";
import { Failed, UsageError } from "../terminal/exit.js";
import { count, percent } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { type OutputOptions, say, writeJson } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";
import { exists } from "../train/run-folder.js";

interface Options extends OutputOptions {
  set?: (typeof folderSets)[number];
  decode: boolean;
}

/** Names shown of a list that has a count for each. */
const SHOWN = 8;

const EXAMPLES = `
Exits with 1 where something is wrong. A split by question, as that of VQA-RAD, is a leak and is listed as one.

Examples:
  consilium data check rows.csv --columns image=file,answer=label,group=patient --image-folder images
  consilium data check data/vqa-rad --set organ --json -`;

export function addDataCheck(command: Command): void {
  command
    .argument("<path>", "a table (.csv, .tsv, .jsonl), or a folder in the layout of data/vqa-rad or of SLAKE")
    .addOption(new Option("--set <choice>", "which questions of a folder (default: by its files)").choices(folderSets))
    .option("--no-decode", "only look whether images are there, without reading them");
  addRunFlags(command, [TABLE]);
  addOutputOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const data = await dataOf(path, options);
  using interruption = new Interruption();
  const { signal } = interruption;
  const onProgress = new Progress(null).counting(`${path}`, "images");
  const check = checkData(data, { decode: options.decode, signal, onProgress });
  const result = await interruption.guard(check, "stopped; the check is not complete.");
  const passed = result.problems.length === 0;
  say(options, textOf(path, data, result));
  await writeJson(options, {
    version: 1,
    command: "data check",
    path,
    data,
    passed,
    problems: result.problems.map(({ places, ...problem }) => ({ ...problem, count: places.length, places })),
    summary: result.summary,
  });
  if (!passed) throw new Failed();
}

async function dataOf(path: string, options: Options): Promise<RunConfig["data"]> {
  const given = (givenFlags({ ...options }, [TABLE]).data ?? {}) as Partial<TableData>;
  const parsed = (data: RunConfigInput["data"]) => RunConfig.shape.data.parse(data);
  if (isTableFile(path)) {
    if (options.set) throw new UsageError(`--set is for a folder; ${path} is a table. Leave it out.`);
    return parsed({ ...given, set: "table", file: path });
  }
  if (Object.keys(given).length > 0)
    throw new UsageError(`--columns and --image-folder are for a table, not for ${path}.`);
  return parsed({ set: options.set ?? (await setOf(path)), folder: path });
}

/** The data set that a folder is, by the files of its layout. */
async function setOf(folder: string): Promise<(typeof folderSets)[number]> {
  for (const [file, set] of [["trainset.json", "vqa-rad"] as const, ["train.json", "slake"] as const])
    if (await exists(`${folder}/${file}`)) return set;
  throw new UsageError(
    `${folder} is neither a table nor a folder with trainset.json (VQA-RAD) or train.json (SLAKE). Name a .csv, .tsv or .jsonl.`,
  );
}

function textOf(path: string, { set }: RunConfig["data"], { problems, summary }: DataCheck): string {
  const lines: string[] = [];
  if (summary) {
    const { rows, images, groups, answerTypes, answers, questions, categories } = summary;
    const total = Object.values(rows).reduce((a, b) => a + b, 0);
    const parts = Object.entries(rows).map(([part, n]) => `${part} ${count(n)}`);
    const list = (counts: typeof answers) => {
      const shown = counts.slice(0, SHOWN).map(({ name, count }) => `${name} ${percent(count / total)}`);
      return [...shown, ...(counts.length > SHOWN ? [`${count(counts.length - SHOWN)} more`] : [])].join(", ");
    };
    const { closed, open, unknown } = answerTypes;
    const types = [
      `closed ${count(closed)}`,
      `open ${count(open)}`,
      ...(unknown ? [`without a type ${count(unknown)}`] : []),
    ];
    lines.push(
      `${path} (${set}): ${count(total)} questions (${parts.join(", ")}), ${count(images)} images, ` +
        `${groups ? `${count(groups)} groups` : "no groups"}`,
      `answers: ${types.join(", ")}; ${list(answers)}`,
      `questions begin with: ${list(questions)}`,
      ...(categories.length > 0 ? [`categories: ${list(categories)}`] : []),
      "",
    );
  }
  for (const { kind, text, advice } of problems) lines.push(`${kind}: ${text}\n  ${advice}.`);
  lines.push(problems.length === 0 ? "nothing is wrong" : `kinds of problems: ${problems.length}`);
  return lines.join("\n");
}
