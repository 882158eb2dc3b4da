/** How many words a prediction shares with an answer, as the published evaluation counts and as SQuAD does. */
import { normaliseForWords, wordsOf } from "./normalise.js";

export interface Overlap {
  readonly f1: number;
  readonly precision: number;
  readonly recall: number;
}

const NONE: Overlap = { f1: 0, precision: 0, recall: 0 };

function counted(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);

const overlap = (precision: number, recall: number): Overlap => ({
  f1: (2 * precision * recall) / (precision + recall),
  precision,
  recall,
});

/**
 * What is published as "exact match", though it compares no answers: the answer's different words that the prediction
 * has, by all words of the prediction. 0 for an empty prediction.
 */
export function publishedExactMatch(prediction: string, answer: string): number {
  const said = wordsOf(normaliseForWords(prediction));
  const given = new Set(said);
  const shared = new Set(wordsOf(normaliseForWords(answer)).filter((word) => given.has(word))).size;
  return said.length === 0 ? 0 : shared / said.length;
}

/**
 * F1, precision and recall as published. A shared word counts as often as the prediction repeats it, in the recall too,
 * which repeating a right word therefore raises. All 0 where either side has no words or none is shared.
 */
export function publishedOverlap(prediction: string, answer: string): Overlap {
  const said = counted(wordsOf(normaliseForWords(prediction)));
  const expected = counted(wordsOf(normaliseForWords(answer)));
  const shared = sum([...said].map(([word, count]) => (expected.has(word) ? count : 0)));
  const missed = sum([...expected].map(([word, count]) => (said.has(word) ? 0 : count)));
  return shared === 0 ? NONE : overlap(shared / sum(said.values()), shared / (shared + missed));
}

/** F1, precision and recall as SQuAD counts them: a word is shared as often as both sides have it. Words are letters and digits. */
export function plainOverlap(prediction: string, answer: string): Overlap {
  const words = (text: string) => text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  const [said, expected] = [counted(words(prediction)), counted(words(answer))];
  const shared = sum([...said].map(([word, count]) => Math.min(count, expected.get(word) ?? 0)));
  return shared === 0 ? NONE : overlap(shared / sum(said.values()), shared / sum(expected.values()));
}
