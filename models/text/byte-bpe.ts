/** Byte-level byte-pair encoding, as GPT-2 introduced it: the tokenizers of Phi-2 and StableLM-2. */
import { Tokenizer } from "@huggingface/tokenizers";
import { OptionError } from "../../engine/index.js";
import type { TextTokenizer } from "./text-tokenizer.js";

/** How a text is cut before pairs are merged; nothing is merged across a cut. */
export type Split = "gpt2" | "arcade100k";

/** StableLM-2's cuts: words with a blank or mark in front, single digits. Its text is brought to the form NFC before. */
const ARCADE =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const byteLevel = (useRegex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});

const SPLITS: Readonly<Record<Split, { normalizer: object | null; pre_tokenizer: object }>> = {
  gpt2: { normalizer: null, pre_tokenizer: byteLevel(true) },
  arcade100k: {
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: ARCADE }, behavior: "Isolated", invert: false },
        byteLevel(false),
      ],
    },
  },
};

/** A piece that is found in a text before it is cut. */
export interface AddedPiece {
  readonly id: number;
  readonly content: string;
  /** Left out of decoded text. */
  readonly special: boolean;
}

/** What a `tokenizer.json` holds, as far as it is looked into here. */
export interface TokenizerJson {
  readonly added_tokens: readonly AddedPiece[];
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** The `tokenizer.json` of a vocabulary and its merges, the first merge first. */
export const byteBpeJson = (
  vocab: Readonly<Record<string, number>>,
  merges: readonly (readonly [string, string])[],
  added: readonly AddedPiece[],
  split: Split,
): TokenizerJson => ({
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: added.map((piece) => ({
    ...piece,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: !piece.special,
  })),
  ...SPLITS[split],
  post_processor: null,
  decoder: byteLevel(true),
  model: { type: "BPE", unk_token: null, vocab, merges },
});

/** The cut pieces of a text, a character for each byte. */
export function cutter(split: Split): (text: string) => string[] {
  const { normalizer, pre_tokenizer } = new Tokenizer(byteBpeJson({}, [], [], split), {});
  return (text) => pre_tokenizer?.(normalizer?.(text) ?? text) ?? [];
}

/** The characters that stand for bytes in a vocabulary, by byte: printable ones for themselves, others from U+0100 on. */
export const BYTES: readonly string[] = (() => {
  let next = 256;
  const isPrintable = (b: number) => (b > 32 && b < 127) || (b > 160 && b !== 173);
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(isPrintable(b) ? b : next++));
})();

/** A tokenizer by its `tokenizer.json` and its settings (those of `tokenizer_config.json`). */
export class ByteBpeTokenizer implements TextTokenizer {
  readonly size: number;
  readonly bos: number | null;
  readonly eos: number;
  readonly pad: number;
  readonly #pairs: Tokenizer;

  /** `eos` and `pad` are pieces; throws OptionError where the vocabulary has none of that name. */
  constructor(json: TokenizerJson, { eos, pad, config = {} }: { eos: string; pad: string; config?: object }) {
    const added = json.added_tokens.map(({ id }) => id);
    this.size = [...Object.values(json.model.vocab), ...added].reduce((most, id) => Math.max(most, id + 1), 0);
    this.#pairs = new Tokenizer(json, config);
    const id = (piece: string) => {
      const found = this.#pairs.token_to_id(piece);
      if (found === undefined) throw new OptionError(`The vocabulary has no ${piece}.`);
      return found;
    };
    this.eos = id(eos);
    this.pad = id(pad);
    this.bos = this.#pairs.encode("").ids[0] ?? null;
  }

  encode(text: string): number[] {
    return this.#pairs.encode(text).ids;
  }

  decode(ids: ArrayLike<number>, { special = false }: { readonly special?: boolean } = {}): string {
    const list = Array.from(ids);
    const outside = list.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < this.size));
    if (outside >= 0)
      throw new OptionError(`decode: id ${list[outside]} at position ${outside}, the vocabulary has ${this.size}.`);
    return list.length > 0 ? this.#pairs.decode(list, { skip_special_tokens: !special }) : "";
  }
}
