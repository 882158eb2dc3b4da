/**
 * Accuracy on a VQA test set, in the two ways in use. `published`: closed means that the ground truth is exactly one of
 * yes, Yes, no, No, as in the scoring scripts of MISS and MILE, opened is the rest. `byType`: closed and open as the data
 * set itself says. The two differ: 131 CLOSED questions of VQA-RAD are choices such as "left or right".
 *
 * The published scripts score closed questions only. Exact match for the others, ignoring case, is our reading.
 */
import { OptionError } from "../../engine/index.js";
import { publishedYesNo, sameAnswer } from "../data/answers.js";
import type { VqaRecord } from "../data/record.js";
import { type Interval, wilson } from "./intervals.js";

/** A count of right answers, as a share with its interval. */
export interface Accuracy {
  /** Right answers. */
  readonly correct: number;
  /** Questions. */
  readonly total: number;
  /** correct / total; NaN where there is nothing to count. */
  readonly accuracy: number;
  /** 95 %, Wilson. */
  readonly interval: Interval;
}

/** Accuracy by the rule of the published scripts. */
export interface PublishedScores {
  /** Where the true answer is exactly one of yes, Yes, no, No. */
  readonly closed: Accuracy;
  /** All others. */
  readonly opened: Accuracy;
  /** All questions. */
  readonly global: Accuracy;
}

/** Accuracy by what the data set says of each question. */
export interface TypeScores {
  /** CLOSED: yes/no, and choices. */
  readonly closed: Accuracy;
  /** OPEN. */
  readonly open: Accuracy;
}

/** Accuracy on a test set, in both ways of counting, and by group. */
export interface Scores {
  /** As the scoring scripts of MISS and MILE count. */
  readonly published: PublishedScores;
  /** As the data set says. */
  readonly byType: TypeScores;
  /** By category (the part of the body, or what a table names), names sorted. */
  readonly byCategory: Readonly<Record<string, Accuracy>>;
}

export const isPublishedClosed = (record: VqaRecord) => publishedYesNo(record.answer) !== undefined;

/** Whether the answer counts as right: for a yes/no ground truth by the published map, otherwise by exact match. */
export function isCorrect(record: VqaRecord, prediction: string): boolean {
  const truth = publishedYesNo(record.answer);
  return truth ? publishedYesNo(prediction) === truth : sameAnswer(record.answer, prediction);
}

/** `predictions[i]` answers `records[i]`. */
export function score(records: readonly VqaRecord[], predictions: readonly string[]): Scores {
  const right = marks(records, predictions);
  const where = (belongs: (record: VqaRecord) => boolean) => accuracyOf(right.filter((_, i) => belongs(records[i])));
  const categories = [...new Set(records.flatMap((record) => record.category ?? []))].sort();
  return {
    published: {
      closed: where(isPublishedClosed),
      opened: where((record) => !isPublishedClosed(record)),
      global: accuracyOf(right),
    },
    byType: {
      closed: where((record) => record.answerType === "CLOSED"),
      open: where((record) => record.answerType === "OPEN"),
    },
    byCategory: Object.fromEntries(categories.map((name) => [name, where((record) => record.category === name)])),
  };
}

/** Right or wrong, question by question: what a paired comparison takes. */
export function marks(records: readonly VqaRecord[], predictions: readonly string[]): boolean[] {
  if (records.length !== predictions.length) {
    throw new OptionError(`score: ${predictions.length} predictions for ${records.length} questions.`);
  }
  return records.map((record, i) => isCorrect(record, predictions[i]));
}

/** The share of right answers, with its interval. */
export function accuracyOf(right: readonly boolean[]): Accuracy {
  const total = right.length;
  const correct = right.filter(Boolean).length;
  return { correct, total, accuracy: correct / total, interval: wilson(correct, total) };
}
