/** Files of answers, one JSON object a line as LLaVA's evaluation writes them, and which question each belongs to. */
import { z } from "zod";
import { io } from "../../../engine/index.js";
import type { Conversation } from "../../data/conversation-form.js";
import { sha256 } from "../../data/digest.js";
import { Faults, type Problem, placesText, refuseProblems } from "../../data/problem.js";
import { textField } from "../../data/record.js";
import type { Classified } from "../classification.js";
import { publishedId } from "../results.js";
import type { AnsweredQuestion } from "./scores.js";

const Line = z.looseObject({
  question_id: textField.optional(),
  prompt: textField.default(""),
  text: textField,
  metadata: z.unknown().optional(),
});

/** An answer, and where it stands. */
export interface Answer {
  /** Of the question; absent where the file names none. */
  readonly questionId?: string;
  /** What the model was asked. */
  readonly prompt: string;
  /** What it said. */
  readonly text: string;
  /** What else the line says; of an image that was put into a class, `class` and `said`. */
  readonly metadata?: unknown;
  /** For messages: `line 3`, the file in front where there are several. */
  readonly place: string;
}

/** How answers and questions are paired. */
export interface PairOptions {
  /** The first answer belongs to the first question, whatever the ids: as the published script pairs them. */
  readonly byPosition?: boolean;
}

/** An answer as a line of its file, with the keys of the published driver. */
export interface AnswerLine extends Readonly<Record<string, unknown>> {
  /** Of the question. */
  readonly question_id: string | number;
  /** What the model was asked. */
  readonly prompt: string;
  /** What it said. */
  readonly text: string;
  /** 22 characters by what is answered and how: the same evaluation gives the same ids. */
  readonly answer_id: string;
  /** The model's name. */
  readonly model_id: string;
  /** What else is known; empty as published. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** The line of an answer. */
export async function answerLine(
  { id, prompt, text }: { readonly id: string; readonly prompt: string; readonly text: string },
  model: string,
  metadata: AnswerLine["metadata"] = {},
): Promise<AnswerLine> {
  const digest = await sha256(new TextEncoder().encode(JSON.stringify([model, id, prompt, text])));
  return {
    question_id: publishedId(id),
    prompt,
    text,
    answer_id: digest.slice(0, 22),
    model_id: model,
    metadata,
  };
}

/** The answers of files, one after the other: the parts of an evaluation in their order. */
export async function loadAnswers(files: readonly string[]): Promise<Answer[]> {
  const advice = "It holds a model's answers, one JSON object a line: check the path";
  const answers: Answer[] = [];
  for (const file of files) {
    const prefix = files.length > 1 ? `${file}, ` : "";
    answers.push(...parseAnswers(await io.readText(file, advice), file, prefix));
  }
  return answers;
}

/** From text. Throws FileFormatError where a line is no answer. */
export const parseAnswers = (text: string, fileName: string, prefix = ""): Answer[] =>
  io.parseJsonLines(text, fileName).map(({ line, value }) => {
    const { question_id, ...answer } = io.parseWith(Line, value, `${fileName}:${line}`);
    const { prompt, text, metadata } = answer;
    return { questionId: question_id, prompt, text, metadata, place: `${prefix}line ${line}` };
  });

const ClassLine = z.looseObject({ class: z.string(), said: z.string().nullable() });

/**
 * Images with their classes and what was said of them, of answers that `eval med-moe --task classify` wrote. Throws one
 * FileFormatError where answers are of another kind, or to one image twice.
 */
export function classifiedImages(answers: readonly Answer[], file: string): Classified[] {
  const faults = new Faults();
  const first = new Set<string>();
  const found = answers.flatMap(({ questionId, metadata, place }): Classified[] => {
    const parsed = ClassLine.safeParse(metadata);
    if (!parsed.success || questionId === undefined)
      faults.add("bad value", "an answer without the class of its image", "Answers to questions need --gt", place);
    else if (first.has(questionId))
      faults.add("duplicate id", "an image for the second time", "Leave one of each", place);
    else {
      first.add(questionId);
      return [{ label: parsed.data.class, said: parsed.data.said }];
    }
    return [];
  });
  refuseProblems(faults.problems(answers.length), file);
  if (found.length === 0)
    throw new io.FileFormatError(file, "it has no answer", "Name the files that the evaluation wrote");
  return found;
}

/** What the files are called, for messages. */
export interface PairedFiles {
  /** The file of the questions. */
  readonly questions: string;
  /** The file of the answers, or all of them. */
  readonly answers: string;
}

/**
 * Each question with its answer, in the order of the questions. Throws one FileFormatError with all that does not pair,
 * or cannot be scored.
 */
export function pairAnswers(
  questions: readonly Conversation[],
  answers: readonly Answer[],
  files: PairedFiles,
  { byPosition = false }: PairOptions = {},
): AnsweredQuestion[] {
  refuseProblems(unscorable(questions), files.questions);
  refuseProblems(byPosition ? otherCount(questions, answers) : unpaired(questions, answers), files.answers);
  const byId = new Map(answers.map((answer) => [answer.questionId, answer]));
  return questions.map(({ id, messages, answerType }, i) => {
    const answer = (byPosition ? answers[i] : byId.get(id)) as Answer;
    return {
      prompt: answer.prompt || messages[0].text,
      answer: messages[1].text,
      answerType: answerType as NonNullable<typeof answerType>,
      prediction: answer.text,
    };
  });
}

/** Questions that lack what is needed to score them. */
function unscorable(questions: readonly Conversation[]): Problem[] {
  const faults = new Faults();
  for (const { messages, answerType, place } of questions) {
    if (messages.length < 2) faults.add("empty value", "a question without its answer", "Add the answer", place);
    if (answerType === undefined)
      faults.add("answer type", 'a question without "answer_type"', "Write OPEN or CLOSED", place);
  }
  return faults.problems(questions.length);
}

function otherCount(questions: readonly Conversation[], answers: readonly Answer[]): Problem[] {
  if (questions.length === answers.length) return [];
  return [
    problem(
      `${answers.length} answers to ${questions.length} questions`,
      "By position each question needs one answer, in the same order: pair them by id, or answer the rest",
      [],
    ),
  ];
}

/** Where the ids of questions and of answers are not the same. */
function unpaired(questions: readonly Conversation[], answers: readonly Answer[]): Problem[] {
  const asked = new Set(questions.map(({ id }) => id));
  const given = new Map<string, string>();
  const [nameless, again, unknown]: string[][] = [[], [], []];
  for (const { questionId, place } of answers) {
    if (questionId === undefined) nameless.push(place);
    else if (given.has(questionId)) again.push(`${place} (question ${questionId})`);
    else if (!asked.has(questionId)) unknown.push(`${place} (question ${questionId})`);
    if (questionId !== undefined) given.set(questionId, place);
  }
  const unanswered = questions.filter(({ id }) => !given.has(id as string)).map(({ id }) => id as string);
  const list = (what: string, places: string[], advice: string) =>
    places.length === 0 ? [] : [problem(`${count(places.length)} ${what}: ${placesText(places)}`, advice, places)];
  return [
    ...list('without "question_id"', nameless, "Pair them by their order with --by-position"),
    ...list("to a question that has one already", again, "Leave one of each"),
    ...list("to no question of the file", unknown, "Score them with the questions that they answer"),
    ...(unanswered.length === 0
      ? []
      : [
          problem(
            `${unanswered.length} of ${questions.length} questions have no answer: ${placesText(unanswered)}`,
            "Let the evaluation go on, or score its parts together",
            unanswered,
          ),
        ]),
  ];
}

const count = (n: number) => (n === 1 ? "1 answer" : `${n} answers`);
const problem = (text: string, advice: string, places: readonly string[]): Problem => ({
  kind: "bad value",
  text,
  advice,
  places,
});
