/**
 * Instruction data as MILE reads it (`form: "instruction"`), from questions of any data set: each gets a pool of five prompts around
 * it, four of them with options to choose from, and a sixth that asks for a judgement where the answer is yes or no.
 */
import { normaliseAnswer } from "./answers.js";
import { shuffle } from "./order.js";
import { rowStream } from "./random.js";
import type { VqaRecord } from "./record.js";

/** A row of a file of instructions. */
export interface Instruction {
  /** From the folder of the images on. */
  readonly img_name: string;
  /** The question's own. */
  readonly qid: string;
  /** As in the data set. */
  readonly answer: string;
  /** OPEN or CLOSED, where the data set says it. */
  readonly answer_type?: string;
  /** The prompts; training draws one each time. */
  readonly question_pool: readonly string[];
}

/** How instructions are made. */
export interface InstructionOptions {
  /** What the names of the images are told from: none of it stays in them. */
  readonly imageFolder: string;
  /** Of the options and their order. */
  readonly seed: number;
}

/** Options of a question that is not answered by yes or no. */
const OPTIONS = 4;

/** The instructions, in the order of the questions. Options are the answer and those of questions that begin alike. */
export function instructionsOf(
  records: readonly VqaRecord[],
  { imageFolder, seed }: InstructionOptions,
): Instruction[] {
  const prefix = imageFolder === "" ? "" : `${imageFolder.replace(/\/+$/, "")}/`;
  const others = new Alike(records);
  return records.map((record, row) => {
    const { image, qid, answer, answerType } = record;
    const question = record.asks ?? record.question;
    const random = rowStream(seed, "options", 0, row);
    const given = isYesNo(answer)
      ? [answer, oppositeOf(answer)]
      : [answer, ...others.of(question, answer, OPTIONS - 1, random)];
    const options = Array.from(shuffle(given.length, random), (i) => given[i]);
    return {
      img_name: image.startsWith(prefix) ? image.slice(prefix.length) : image,
      qid,
      answer,
      ...(answerType && { answer_type: answerType }),
      question_pool: promptsOf(question, options, isYesNo(answer)),
    };
  });
}

/** The text of a file that `form: "instruction"` reads. */
export const formatInstructions = (instructions: readonly Instruction[]): string =>
  `${JSON.stringify(instructions, null, 1)}\n`;

const isYesNo = (answer: string) => ["yes", "no"].includes(normaliseAnswer(answer));

/** No for Yes, in the letter case of the answer and with its punctuation: nothing but the word tells them apart. */
const oppositeOf = (answer: string): string =>
  answer.replace(/[a-z]+/i, (word) => {
    const other = word.toLowerCase() === "yes" ? "no" : "yes";
    if (word === word.toLowerCase()) return other;
    return word === word.toUpperCase() ? other.toUpperCase() : `${other[0].toUpperCase()}${other.slice(1)}`;
  });

/** Braces hold the question and the options: inside they are round. */
const plain = (text: string) => text.replaceAll("{", "(").replaceAll("}", ")").trim();

function promptsOf(question: string, options: readonly string[], isJudgement: boolean): string[] {
  const asked = `{${plain(question)}}`;
  const listed = options.map((option, i) => `(${String.fromCharCode(97 + i)})${plain(option)}`).join("; ");
  const choice = `Option:{${listed}}`;
  return [
    `<image>Question:${asked}${choice} The answer to the question is:`,
    `<image>Question:${asked}${choice} Answer:`,
    `<image>Question:${asked}${choice} Short answer:`,
    `<image>Answer the question by the image:${asked}${choice} Give one of the options:`,
    `<image>What does the image answer to this question?${asked}`,
    ...(isJudgement ? [`<image>Question:${asked} Give a judgmental answer, by the image:`] : []),
  ];
}

/** Answers by how their questions begin. */
class Alike {
  readonly #answers = new Map<string, Map<string, string>>();

  constructor(records: readonly VqaRecord[]) {
    for (const { question, asks = question, answer } of records)
      if (!isYesNo(answer))
        for (const key of keysOf(asks)) {
          const answers = this.#answers.get(key) ?? new Map<string, string>();
          if (!answers.has(normaliseAnswer(answer))) answers.set(normaliseAnswer(answer), answer);
          this.#answers.set(key, answers);
        }
  }

  /** Up to `count` other answers: of questions with the same first two words, then with the same first, then of any. */
  of(question: string, answer: string, count: number, random: Parameters<typeof shuffle>[1]): string[] {
    const found = new Map<string, string>();
    for (const key of keysOf(question)) {
      const answers = [...(this.#answers.get(key) ?? [])];
      for (const i of shuffle(answers.length, random)) {
        if (found.size === count) return [...found.values()];
        const [normal, text] = answers[i];
        if (normal !== normaliseAnswer(answer)) found.set(normal, text);
      }
    }
    return [...found.values()];
  }
}

const keysOf = (question: string): string[] => {
  const [first = "", second = ""] = question.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return [`${first} ${second}`, first, ""];
};
