/**
 * The metrics of Med-MoE, by the published definitions and names, slips included, and plain ones beside them. Shares are
 * from 0 to 1, NaN where there is nothing to count.
 */

import { sameAnswer } from "../../data/answers.js";
import type { AnswerType } from "../../data/record.js";
import { type Accuracy, accuracyOf } from "../metrics.js";
import { bleu } from "./bleu.js";
import { plainOverlap, publishedExactMatch, publishedOverlap } from "./word-overlap.js";

/** A question with its answer and what a model said. */
export interface AnsweredQuestion {
  /** What was asked. */
  readonly prompt: string;
  /** What is right. */
  readonly answer: string;
  /** Open or closed, as the data set says. */
  readonly answerType: AnswerType;
  /** What the model said. */
  readonly prediction: string;
}

/** Averages over the open questions. The paper's "open" is `recall`. */
export interface OpenScores {
  /** How many questions. */
  readonly total: number;
  /** Published as "Exact Match Score": shared words by all words of the prediction. */
  readonly exactMatch: number;
  /** Of precision and recall, question by question. */
  readonly f1: number;
  /** Words of the prediction that the answer has. */
  readonly precision: number;
  /** Words of the answer that the prediction has; one that it repeats counts as often. */
  readonly recall: number;
  /** BLEU of single words, of pairs, of triples. */
  readonly bleu: readonly [number, number, number];
}

/** Averages over the closed questions. */
export interface ClosedScores {
  /** Published as "yes/no accuracy": the answer's text occurs in the prediction, so "no" is right in "not normal". */
  readonly accuracy: Accuracy;
  /** Of precision and recall, question by question. */
  readonly f1: number;
  /** Words of the prediction that the answer has. */
  readonly precision: number;
  /** Words of the answer that the prediction has; one that it repeats counts as often. */
  readonly recall: number;
}

/** What the published numbers do not say: whether the answer was given. */
export interface PlainScores {
  /** Answers that are the same but for case and blanks. */
  readonly exact: Accuracy;
  /** F1 of words, as SQuAD counts, averaged. */
  readonly f1: number;
}

/** All of them. */
export interface MedMoeScores {
  /** As published, of the open questions. */
  readonly open: OpenScores;
  /** As published, of the closed questions. */
  readonly closed: ClosedScores;
  /** Whether the answer was given, of all questions and of each kind. */
  readonly plain: Readonly<Record<"all" | "open" | "closed", PlainScores>>;
}

/** Whether a closed question counts as right, as published: `answer` is part of `prediction`, case aside. */
export const occurs = ({ prediction, answer }: Pick<AnsweredQuestion, "prediction" | "answer">) =>
  prediction.toLowerCase().includes(answer.toLowerCase());

/** The metrics of answered questions. */
export function scoreMedMoe(answered: readonly AnsweredQuestion[]): MedMoeScores {
  const of = (type: AnswerType) => answered.filter(({ answerType }) => answerType === type);
  const [open, closed] = [of("OPEN"), of("CLOSED")];
  const lengths = [1, 2, 3] as const;
  return {
    open: {
      total: open.length,
      exactMatch: mean(open.map(({ prediction, answer }) => publishedExactMatch(prediction, answer))),
      ...overlaps(open),
      bleu: lengths.map((n) => mean(open.map(({ prediction, answer }) => bleu(prediction, answer, n)))) as never,
    },
    closed: { accuracy: accuracyOf(closed.map(occurs)), ...overlaps(closed) },
    plain: { all: plain(answered), open: plain(open), closed: plain(closed) },
  };
}

/** The rows of the published table, which prints them in per cent: the names under which papers give these numbers. */
export const publishedTable = ({ open, closed }: MedMoeScores): Readonly<Record<string, number>> => ({
  "Exact Match Score": open.exactMatch,
  "F1 Score": open.f1,
  Precision: open.precision,
  Recall: open.recall,
  "BLEU Score (Weight 1)": open.bleu[0],
  "BLEU Score (Weight 2)": open.bleu[1],
  "BLEU Score (Weight 3)": open.bleu[2],
  "yes/no accuracy": closed.accuracy.accuracy,
  "Closed F1 Score": closed.f1,
  "Closed Precision": closed.precision,
  "Closed Recall": closed.recall,
});

/** A closed question that was answered wrongly, as the published script writes it. */
export interface WrongAnswer {
  /** What was asked. */
  readonly prompt: string;
  /** What is right. */
  readonly correct_answer: string;
  /** What the model said. */
  readonly predicted_answer: string;
}

/** The closed questions that do not count as right, lower-cased as published. */
export const wrongAnswers = (answered: readonly AnsweredQuestion[]): WrongAnswer[] =>
  answered
    .filter((question) => question.answerType === "CLOSED" && !occurs(question))
    .map(({ prompt, answer, prediction }) => ({
      prompt,
      correct_answer: answer.toLowerCase(),
      predicted_answer: prediction.toLowerCase(),
    }));

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function overlaps(answered: readonly AnsweredQuestion[]) {
  const found = answered.map(({ prediction, answer }) => publishedOverlap(prediction, answer));
  const of = (key: "f1" | "precision" | "recall") => mean(found.map((overlap) => overlap[key]));
  return { f1: of("f1"), precision: of("precision"), recall: of("recall") };
}

const plain = (answered: readonly AnsweredQuestion[]): PlainScores => ({
  exact: accuracyOf(answered.map(({ prediction, answer }) => sameAnswer(prediction, answer))),
  f1: mean(answered.map(({ prediction, answer }) => plainOverlap(prediction, answer).f1)),
});
