import type { Command } from "commander";
import {
  classifiedImages,
  loadAnswers,
  loadQuestionFiles,
  pairAnswers,
  scoreMedMoe,
  wrongAnswers,
} from "../../../models/index.js";
import { classFields, classText } from "../eval/class-scores.js";
import { scoreFields, scoreText } from "../eval/med-moe-scores.js";
import { addOutputOptions } from "../options/common-options.js";
import { UsageError } from "../terminal/exit.js";
import { count } from "../terminal/format.js";
import { type OutputOptions, prepareFile, say, writeFileIn, writeJson } from "../terminal/output.js";

interface Options extends OutputOptions {
  gt?: string;
  pred: string[];
  output?: string;
  byPosition?: boolean;
}

const ABOUT = `
The metrics have the names and definitions of the published script: its "Exact Match Score" counts shared words, and its
"yes/no accuracy" is right where the answer occurs in what was said, so "no" is right in "not normal". Below them stands
how often the answer itself was given. Images that \`eval med-moe --task classify\` put into classes need no --gt: the answers
say what they are.

Examples:
  consilium score --gt test.json --pred answers.jsonl --output wrong.json
  consilium score --gt test.json --pred answers-0.jsonl answers-1.jsonl --json -
  consilium score --pred classes-0.jsonl classes-1.jsonl`;

export function addScore(command: Command): void {
  command
    .option("--gt <file>", "questions with their answers, in the format of LLaVA-Med (JSON or JSON lines)")
    .requiredOption("--pred <files...>", "a model's answers (JSON lines); several are parts of one evaluation")
    .option("--output <file>", "where to write the closed questions that were answered wrongly, as JSON")
    .option("--by-position", "the first answer belongs to the first question, as the published script pairs them");
  addOutputOptions(command).addHelpText("after", ABOUT).action(run);
}

async function run(options: Options): Promise<void> {
  const { gt, pred, output, byPosition = false } = options;
  if (gt === undefined) return scoreImages(options);
  if (output !== undefined) await prepareFile(output);
  const questions = await loadQuestionFiles([gt], { requireImages: false, requireIds: !byPosition });
  const files = { questions: gt, answers: pred.join(", ") };
  const answered = pairAnswers(questions, await loadAnswers(pred), files, { byPosition });
  const scores = scoreMedMoe(answered);
  const wrong = wrongAnswers(answered);
  if (output !== undefined) await writeFileIn(output, `${JSON.stringify(wrong, null, 4)}\n`);
  say(options, scoreText(scores));
  if (output !== undefined) say(options, `${count(wrong.length)} closed questions answered wrongly: ${output}`);
  await writeJson(options, {
    version: 1,
    command: "score",
    config: { gt, pred, byPosition },
    ...scoreFields(scores),
  });
}

/** Answers that say what their images are. */
async function scoreImages({ pred, output, byPosition, ...options }: Options): Promise<void> {
  if (output !== undefined || byPosition)
    throw new UsageError(
      `${byPosition ? "--by-position" : "--output"} is for answers to questions: name these with --gt.`,
    );
  const items = classifiedImages(await loadAnswers(pred), pred.join(", "));
  const classes = [...new Set(items.flatMap(({ label, said }) => (said === null ? [label] : [label, said])))].sort();
  say(options, classText(items, classes));
  await writeJson(options, { version: 1, command: "score", config: { pred }, ...classFields(items, classes) });
}
