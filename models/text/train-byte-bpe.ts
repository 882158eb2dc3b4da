/** A byte-level vocabulary of one's own, for a model that is trained from scratch on few texts. */
import { OptionError } from "../../engine/index.js";
import { BYTES, cutter } from "./byte-bpe.js";
import { END_OF_TEXT, habitsOf, type TokenizerFamily } from "./tokenizer-folder.js";

/** What a vocabulary is made like. */
export interface VocabularyOptions {
  /** Pieces at most: 256 bytes, the end of a text and padding among them. */
  readonly size: number;
  /** Whose files these imitate: how texts are cut, and what padding is called. */
  readonly family: TokenizerFamily;
}

/**
 * The files of a tokenizer in the format of GPT-2, by name: what `loadTokenizer` reads. The pair that is most frequent in
 * `texts` is merged, again and again, equals in the order of their letters; pairs that occur once are not. The result
 * depends on which texts there are, not on their order.
 */
export function trainByteBpe(texts: Iterable<string>, { size, family }: VocabularyOptions): Record<string, string> {
  const { split, pad } = habitsOf(family);
  const special = [END_OF_TEXT, pad];
  const room = size - BYTES.length - special.length;
  if (!(Number.isInteger(size) && room >= 0))
    throw new OptionError(`A byte-level vocabulary has at least ${size - room} pieces, not ${size}.`);
  const merges = mostFrequentPairs(words(texts, cutter(split)), room);
  const pieces = [...BYTES, ...new Set(merges.map(([left, right]) => left + right)), ...special];
  const ids = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const declared = { bos_token: END_OF_TEXT, eos_token: END_OF_TEXT, unk_token: END_OF_TEXT, pad_token: pad };
  return {
    "vocab.json": `${JSON.stringify(Object.fromEntries(Object.entries(ids).slice(0, -special.length)))}\n`,
    "merges.txt": `#version: 0.2\n${merges.map((pair) => `${pair.join(" ")}\n`).join("")}`,
    "added_tokens.json": `${JSON.stringify(Object.fromEntries(special.map((piece) => [piece, ids[piece]])))}\n`,
    "special_tokens_map.json": `${JSON.stringify(declared, null, 2)}\n`,
    "tokenizer_config.json": `${JSON.stringify({ tokenizer_class: "GPT2Tokenizer", clean_up_tokenization_spaces: false }, null, 2)}\n`,
  };
}

interface Word {
  pieces: string[];
  readonly count: number;
}

function words(texts: Iterable<string>, cut: (text: string) => string[]): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of cut(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => ({ pieces: [...word], count }));
}

type Pair = [left: string, right: string];

/** Merges words until `most` new pieces exist. */
function mostFrequentPairs(words: readonly Word[], most: number): Pair[] {
  const pairs = new Pairs();
  for (const word of words) pairs.add(word, 1);
  const merges: Pair[] = [];
  const made = new Set<string>();
  while (made.size < most) {
    const best = pairs.best();
    if (best === null) break;
    merges.push(best);
    made.add(best[0] + best[1]);
    for (const word of pairs.wordsWith(best)) {
      pairs.add(word, -1);
      word.pieces = merged(word.pieces, best);
      pairs.add(word, 1);
    }
  }
  return merges;
}

function merged(pieces: readonly string[], [left, right]: Pair): string[] {
  const result: string[] = [];
  for (let i = 0; i < pieces.length; i++) {
    if (pieces[i] === left && pieces[i + 1] === right) result.push(left + pieces[++i]);
    else result.push(pieces[i]);
  }
  return result;
}

/** How often each pair of neighbours occurs, and in which words. No piece has a blank in it, so that one joins a pair. */
class Pairs {
  readonly #counts = new Map<string, number>();
  readonly #words = new Map<string, Set<Word>>();

  /** Counts the pairs of a word, or takes them away (`sign` -1). */
  add(word: Word, sign: 1 | -1): void {
    for (let i = 0; i + 1 < word.pieces.length; i++) {
      const pair = `${word.pieces[i]} ${word.pieces[i + 1]}`;
      const count = (this.#counts.get(pair) ?? 0) + sign * word.count;
      if (count > 0) this.#counts.set(pair, count);
      else this.#counts.delete(pair);
      const words = this.#words.get(pair) ?? new Set();
      if (sign === 1) words.add(word);
      else words.delete(word);
      this.#words.set(pair, words);
    }
  }

  wordsWith(pair: Pair): Word[] {
    return [...(this.#words.get(pair.join(" ")) ?? [])];
  }

  /** Null where none occurs twice. */
  best(): Pair | null {
    let best: string | null = null;
    let most = 1;
    for (const [pair, count] of this.#counts)
      if (count > most || (count === most && best !== null && pair < best)) [best, most] = [pair, count];
    return best === null ? null : (best.split(" ") as Pair);
  }
}
