/** Words of a question swapped or left out, as EDA does (Wei and Zou, arXiv 1901.11196). Words are what blanks separate. */
import type { HostRandom } from "../../../engine/index.js";

const wordsOf = (text: string) => text.split(/\s+/).filter((word) => word !== "");

/** Two random words change places, `times` over; of a single word nothing is changed. */
export function swapWords(text: string, times: number, random: HostRandom): string {
  const words = wordsOf(text);
  if (words.length < 2) return text;
  for (let i = 0; i < times; i++) {
    const a = random.below(words.length);
    const b = (a + 1 + random.below(words.length - 1)) % words.length;
    [words[a], words[b]] = [words[b], words[a]];
  }
  return words.join(" ");
}

/** Leaves out each word with probability `p`; where none would be left, a random one stays. */
export function deleteWords(text: string, p: number, random: HostRandom): string {
  const words = wordsOf(text);
  if (words.length < 2) return text;
  const kept = words.filter(() => random.uniform() >= p);
  return kept.length > 0 ? kept.join(" ") : words[random.below(words.length)];
}
