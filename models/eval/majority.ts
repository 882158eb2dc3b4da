/** The bar that any model has to pass: always the answer that is most common in training. */

import { normaliseAnswer } from "../data/answers.js";
import type { VqaRecord } from "../data/record.js";
import { isPublishedClosed, type Scores, score } from "./metrics.js";

/** The most common answer, normalised; the alphabetically first of equals. Empty for no records. */
export function majorityAnswer(records: readonly VqaRecord[]): string {
  const counts = new Map<string, number>();
  for (const { answer } of records) {
    const key = normaliseAnswer(answer);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  let best = "";
  let most = 0;
  for (const [answer, count] of counts) {
    if (count > most || (count === most && answer < best)) [best, most] = [answer, count];
  }
  return best;
}

/** One answer to every question, and how far it gets. */
export interface Baseline {
  /** The most common training answer, normalised. */
  readonly answer: string;
  /** On the test questions. */
  readonly accuracy: Scores["published"]["global"];
}

/** A baseline for each set of questions that `Scores` counts. */
export interface MajorityBaselines {
  /** All questions. */
  readonly global: Baseline;
  /** Those that the published scripts call closed. */
  readonly closed: Baseline;
  /** The others. */
  readonly opened: Baseline;
  /** CLOSED in the data set. */
  readonly typeClosed: Baseline;
  /** OPEN in the data set. */
  readonly typeOpen: Baseline;
}

/** Counted on the training questions of each set alone, scored on the test questions of the same set. */
export function majorityBaselines(train: readonly VqaRecord[], test: readonly VqaRecord[]): MajorityBaselines {
  const within = (belongs: (record: VqaRecord) => boolean): Baseline => {
    const answer = majorityAnswer(train.filter(belongs));
    const questions = test.filter(belongs);
    return { answer, accuracy: score(questions, new Array(questions.length).fill(answer)).published.global };
  };
  return {
    global: within(() => true),
    closed: within(isPublishedClosed),
    opened: within((record) => !isPublishedClosed(record)),
    typeClosed: within((record) => record.answerType === "CLOSED"),
    typeOpen: within((record) => record.answerType === "OPEN"),
  };
}
