/**
 * Accuracy on a VQA test set, in the two ways in use. `published`: closed means that the ground truth is exactly one of
 * yes, Yes, no, No, as in the scoring scripts of MISS and MILE, opened is the rest. `byType`: closed and open as the data
 * set itself says. The two differ: 131 CLOSED questions of VQA-RAD are choices such as "left or right".
 *
 * The published scripts score closed questions only. Exact match for the others, ignoring case, is our reading.
 */
import { OptionError } from "../../engine/index.js";
import type { VqaRecord } from "../data/record.js";
import { publishedYesNo, sameAnswer } from "./answers.js";
import { type Interval, wilson } from "./intervals.js";

export interface Accuracy {
  readonly correct: number;
  readonly total: number;
  /** correct / total; NaN where there is nothing to count. */
  readonly accuracy: number;
  /** 95 %, Wilson. */
  readonly interval: Interval;
}

export interface Scores {
  readonly published: { readonly closed: Accuracy; readonly opened: Accuracy; readonly global: Accuracy };
  readonly byType: { readonly closed: Accuracy; readonly open: Accuracy };
  /** By part of the body, names sorted. */
  readonly byGroup: Readonly<Record<string, Accuracy>>;
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
  const where = (belongs: (record: VqaRecord) => boolean) => accuracy(right.filter((_, i) => belongs(records[i])));
  const groups = [...new Set(records.map((record) => record.group))].sort();
  return {
    published: {
      closed: where(isPublishedClosed),
      opened: where((record) => !isPublishedClosed(record)),
      global: accuracy(right),
    },
    byType: {
      closed: where((record) => record.answerType === "CLOSED"),
      open: where((record) => record.answerType === "OPEN"),
    },
    byGroup: Object.fromEntries(groups.map((group) => [group, where((record) => record.group === group)])),
  };
}

/** Right or wrong, question by question: what a paired comparison takes. */
export function marks(records: readonly VqaRecord[], predictions: readonly string[]): boolean[] {
  if (records.length !== predictions.length) {
    throw new OptionError(`score: ${predictions.length} predictions for ${records.length} questions.`);
  }
  return records.map((record, i) => isCorrect(record, predictions[i]));
}

function accuracy(right: readonly boolean[]): Accuracy {
  const total = right.length;
  const correct = right.filter(Boolean).length;
  return { correct, total, accuracy: correct / total, interval: wilson(correct, total) };
}
