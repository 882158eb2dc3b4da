import { dirname } from "node:path";
import {
  type AnswerLine,
  answerLine,
  type Conversation,
  loadQuestionFiles,
  pairAnswers,
  parseAnswers,
  scoreMedMoe,
} from "../../../models/index.js";
import { count } from "../terminal/format.js";
import { scoreFields, scoreText } from "./med-moe-scores.js";
import type { EvalTask, TaskScores } from "./task.js";

/** The questions of a file, in the format of LLaVA-Med, answered in words. */
export async function questionTask(
  file: string,
  answersFile: string,
  imageFolder: string | undefined,
): Promise<EvalTask> {
  const questions = await loadQuestionFiles([file], { imageFolder });
  return {
    name: "vqa",
    source: file,
    questions,
    images: imageFolder ?? dirname(file),
    settings: {},
    line: answerLine,
    scores: (answers) => scoresOf(questions, answers, { questions: file, answers: answersFile }),
    together: ["score", "--gt", file, "--pred", "PART..."],
  };
}

function scoresOf(
  questions: readonly Conversation[],
  answers: readonly AnswerLine[],
  files: { readonly questions: string; readonly answers: string },
): TaskScores | string {
  const unknown = questions.filter(({ messages, answerType }) => messages.length < 2 || answerType === undefined);
  if (unknown.length > 0)
    return `${count(unknown.length)} of ${count(questions.length)} questions lack an answer or "answer_type"`;
  const text = answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");
  const scores = scoreMedMoe(pairAnswers(questions, parseAnswers(text, files.answers), files));
  return { text: scoreText(scores), fields: scoreFields(scores) };
}
