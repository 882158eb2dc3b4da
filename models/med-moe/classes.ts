/** Answers from a closed list: which of its names a text says. */
import { normaliseAnswer } from "../data/answers.js";

/**
 * Index of the one class that `text` names, whatever case and punctuation; null where it names none, or several. A name within a
 * longer one that is there ("kidney" in "left kidney") does not count, nor one within a word ("normal" in "abnormal").
 */
export function namedClass(text: string, classes: readonly string[]): number | null {
  const words = (t: string) =>
    ` ${normaliseAnswer(t)
      .replace(/[^\p{L}\p{N}]+/gu, " ")
      .trim()} `;
  let rest = words(text);
  const found: number[] = [];
  const longest = classes.map((name, i) => ({ name: words(name), i })).sort((a, b) => b.name.length - a.name.length);
  for (const { name, i } of longest) {
    if (name.trim() === "" || !rest.includes(name)) continue;
    found.push(i);
    rest = rest.replaceAll(name, " | ");
  }
  return found.length === 1 ? found[0] : null;
}
