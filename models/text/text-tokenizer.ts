/** Text to ids and back: what models of text take, whichever tokenizer it is. */
export interface TextTokenizer {
  /** Ids in use, added ones with them: the rows that the model's embedding needs. */
  readonly size: number;
  /** Starts every text that is tokenized; null where nothing does. */
  readonly bos: number | null;
  /** Ends an answer. */
  readonly eos: number;
  /** Fills batches. Differs from `eos`, which a model has to learn. */
  readonly pad: number;
  /** Ids of a text, special pieces that it spells included. An empty text has none. */
  encode(text: string): number[];
  /** The text of `ids`. Bytes that are no whole character become U+FFFD. Special pieces are left out unless `special` is set. */
  decode(ids: ArrayLike<number>, options?: { readonly special?: boolean }): string;
}
