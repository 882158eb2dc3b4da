import { type Command, Option } from "commander";
import {
  type Balance,
  checkData,
  type DataCheck,
  type DataSet,
  folderSets,
  publishedFormsHelp,
} from "../../../models/index.js";
import { addOutputOptions } from "../options/common-options.js";
import { dataArgument } from "../options/data-argument.js";
import { addRunFlags, TABLE } from "../options/run-flags.js";
import { Failed } from "../terminal/exit.js";
import { count, percent } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { type OutputOptions, say, writeJson } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";

interface Options extends OutputOptions {
  set?: (typeof folderSets)[number];
  decode: boolean;
}

/** Names shown of a list that has a count for each. */
const SHOWN = 8;

const EXAMPLES = `
Lists everything at once: rows that cannot be read, images that are missing or broken, ids and rows that come twice, empty questions,
odd types of answers, what the test shares with training, answers so uneven that a number says little. Exits with 1 where anything is
wrong. A split by question, as that of VQA-RAD, is a leak and is listed as one.

Forms of JSON (--form), and what their published readers do by mistake, which --reference-bugs does, too:
${publishedFormsHelp.map(({ form, about, bug }) => `  ${form.padEnd(12)} ${about}${bug ? `\n${" ".repeat(15)}${bug}` : ""}`).join("\n")}

Examples:
  consilium data check rows.csv --columns image=file,answer=label,group=patient --image-folder images
  consilium data check data/vqa-rad --set organ --json -`;

export function addDataCheck(command: Command): void {
  command
    .argument(
      "<path>",
      "a table (.csv, .tsv, .jsonl), or a folder: with tables train, val and test, or in the layout of data/vqa-rad or of SLAKE",
    )
    .addOption(new Option("--set <choice>", "which questions of a folder (default: by its files)").choices(folderSets))
    .option("--no-decode", "only look whether images are there, without reading them");
  addRunFlags(command, [TABLE]);
  addOutputOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const data = await dataArgument(path, options.set, { ...options });
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

function textOf(path: string, { set }: DataSet, { problems, summary }: DataCheck): string {
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
      ...Object.entries(summary.balance).map(([part, balance]) => balanceText(part, balance)),
      ...(categories.length > 0 ? [`categories: ${list(categories)}`] : []),
      "",
    );
  }
  for (const { kind, text, advice } of problems) lines.push(`${kind}: ${text}\n  ${advice}.`);
  lines.push(problems.length === 0 ? "nothing is wrong" : `kinds of problems: ${problems.length}`);
  return lines.join("\n");
}

function balanceText(part: string, { yes, no, most, answers, unseen }: Balance): string {
  const yesNo = yes + no > 0 ? `, yes ${count(yes)}, no ${count(no)}` : "";
  const never = unseen > 0 ? `, ${count(unseen)} questions with answers that training never has` : "";
  return `balance of ${part}: most often ${most.answer} (${percent(most.share)})${yesNo}, ${count(answers)} answers${never}`;
}
