/** Precision of n-grams, as the published evaluation takes it from NLTK. */
import { wordsOf } from "./normalise.js";

/** What stands for no match at all (NLTK's smoothing, method 1). */
const NO_MATCH = 0.1;

/**
 * BLEU with all weight on the n-grams of one length: clipped precision, by the brevity penalty. Lower-case words between
 * blanks, nothing else normalised. 0 where no single word matches.
 */
export function bleu(prediction: string, answer: string, n: 1 | 2 | 3): number {
  const [said, expected] = [wordsOf(prediction), wordsOf(answer)];
  if (matches(said, expected, 1) === 0) return 0;
  const precision = (matches(said, expected, n) || NO_MATCH) / Math.max(1, said.length - n + 1);
  const brevity = said.length > expected.length ? 1 : Math.exp(1 - expected.length / said.length);
  return brevity * precision;
}

/** N-grams of `said` that `expected` has, each at most as often as there. */
function matches(said: readonly string[], expected: readonly string[], n: number): number {
  const left = new Map<string, number>();
  for (const gram of grams(expected, n)) left.set(gram, (left.get(gram) ?? 0) + 1);
  let found = 0;
  for (const gram of grams(said, n)) {
    const count = left.get(gram) ?? 0;
    if (count === 0) continue;
    left.set(gram, count - 1);
    found++;
  }
  return found;
}

/** Words hold no blanks, so that a blank joins them unambiguously. */
const grams = (words: readonly string[], n: number) =>
  words.slice(0, Math.max(0, words.length - n + 1)).map((_, i) => words.slice(i, i + n).join(" "));
