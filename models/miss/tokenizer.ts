/**
 * The tokenizer of MISS and MILE: bert-base-uncased WordPiece (lower-cased, accents stripped) and two more pieces behind
 * the vocabulary, `[DEC]` (starts an answer) and `[ENC]` (starts a question): ids 30522 and 30523 for the full list.
 * A text becomes `[CLS] pieces [SEP]`, then position 0 is overwritten. `[SEP]` ends an answer.
 *
 * A text that spells a special piece, such as "[SEP]", gets that piece: BertTokenizer does the same.
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { OptionError } from "../../engine/index.js";
import { QUESTION_LENGTH } from "./config.js";

export interface TokenBatch {
  /** [B, T], padded on the right with `[PAD]`. */
  readonly ids: Int32Array;
  /** [B, T], 1 for a token, 0 for padding. */
  readonly mask: Int32Array;
  /** [B], tokens before the padding. */
  readonly lengths: Int32Array;
  readonly B: number;
  readonly T: number;
}

const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"] as const;

export class MissTokenizer {
  /** Pieces with `[DEC]` and `[ENC]`: the width of the model's embedding. */
  readonly size: number;
  readonly pad: number;
  readonly cls: number;
  readonly sep: number;
  readonly dec: number;
  readonly enc: number;
  readonly #wordPiece: Tokenizer;

  constructor(pieces: readonly string[]) {
    const ids = new Map(pieces.map((piece, id) => [piece, id]));
    for (const piece of ["[DEC]", "[ENC]"]) if (!ids.has(piece)) ids.set(piece, ids.size);
    const id = (piece: (typeof SPECIAL)[number]) => {
      const found = ids.get(piece);
      if (found === undefined) throw new OptionError(`MissTokenizer: the vocabulary has no ${piece}.`);
      return found;
    };
    this.size = ids.size;
    this.pad = id("[PAD]");
    this.cls = id("[CLS]");
    this.sep = id("[SEP]");
    this.dec = id("[DEC]");
    this.enc = id("[ENC]");
    this.#wordPiece = new Tokenizer(tokenizerJson(ids), {});
  }

  /** Ids of the pieces alone, without `[CLS]` and `[SEP]`. */
  pieceIds(text: string): number[] {
    return this.#wordPiece.encode(text, { add_special_tokens: false }).ids;
  }

  pieces(text: string): string[] {
    return this.#wordPiece.tokenize(text);
  }

  /** `[ENC] pieces [SEP]`, cut to `maxLength` ids, padded to the longest of the batch. */
  encodeQuestions(texts: readonly string[], maxLength: number = QUESTION_LENGTH): TokenBatch {
    if (!(maxLength >= 2)) throw new OptionError(`encodeQuestions: maxLength ${maxLength}, needs at least 2.`);
    return this.#batch(texts, this.enc, maxLength);
  }

  /** `[DEC] pieces [SEP]`, never cut, padded to the longest of the batch. */
  encodeAnswers(texts: readonly string[]): TokenBatch {
    return this.#batch(texts, this.dec, Number.POSITIVE_INFINITY);
  }

  /** One text between `first` and `[SEP]`, whole; throws OptionError where that is more than `positions` ids. */
  encodeText(text: string, first: "cls" | "enc", positions: number): TokenBatch {
    const batch = this.#batch([text], this[first], Number.POSITIVE_INFINITY);
    if (batch.T > positions)
      throw new OptionError(`The text has ${batch.T} pieces, the model ${positions} positions. Shorten it.`);
    return batch;
  }

  /** The text of `ids`: special pieces dropped, continuations joined, blanks before punctuation removed as in BERT. */
  decode(ids: ArrayLike<number>): string {
    const list = Array.from(ids);
    const outside = list.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < this.size));
    if (outside >= 0) {
      throw new OptionError(`decode: id ${list[outside]} at position ${outside}, the vocabulary has ${this.size}.`);
    }
    return list.length ? this.#wordPiece.decode(list, { skip_special_tokens: true }) : "";
  }

  #batch(texts: readonly string[], first: number, maxLength: number): TokenBatch {
    const rows = texts.map((text) => [first, ...this.pieceIds(text).slice(0, maxLength - 2), this.sep]);
    const B = rows.length;
    const T = rows.reduce((longest, row) => Math.max(longest, row.length), 0);
    const ids = new Int32Array(B * T).fill(this.pad);
    const mask = new Int32Array(B * T);
    for (const [b, row] of rows.entries()) {
      ids.set(row, b * T);
      mask.fill(1, b * T, b * T + row.length);
    }
    return { ids, mask, lengths: Int32Array.from(rows, (row) => row.length), B, T };
  }
}

/** What a Hugging Face `tokenizer.json` says for bert-base-uncased, around our own vocabulary. */
function tokenizerJson(ids: ReadonlyMap<string, number>) {
  const added = SPECIAL.map((content) => ({
    id: ids.get(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  return {
    version: "1.0",
    added_tokens: added,
    normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: null,
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}
