/** What generation needs of a tokenizer. */
export interface TokenText {
  /** Starts every text that is tokenized; null where nothing does. */
  readonly bos: number | null;
  /** Ids of a text; special tokens that it spells are one id each. */
  encode(text: string): number[];
  /** Special tokens are left out; bytes that are no whole character become U+FFFD. */
  decode(ids: ArrayLike<number>): string;
}

/**
 * The published criterion: a text is over when its last ids are those of a stop string, or when the text of its last ids, as many
 * as the longest stop string has, contains one.
 */
export class StopStrings {
  readonly #tokenizer: TokenText;
  readonly #stops: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly #window: number;

  constructor(tokenizer: TokenText, texts: readonly string[]) {
    this.#tokenizer = tokenizer;
    this.#stops = texts.map((text) => {
      const ids = tokenizer.encode(text);
      return { text, ids: ids.length > 1 && ids[0] === tokenizer.bos ? ids.slice(1) : ids };
    });
    this.#window = Math.max(0, ...this.#stops.map(({ ids }) => ids.length));
  }

  /** Whether `ids`, all that were generated, are over. */
  reached(ids: readonly number[]): boolean {
    const endsWith = (stop: readonly number[]) =>
      stop.length > 0 && stop.length <= ids.length && stop.every((id, i) => ids[ids.length - stop.length + i] === id);
    if (this.#stops.some(({ ids: stop }) => endsWith(stop))) return true;
    if (this.#window === 0 || ids.length === 0) return false;
    const tail = this.#tokenizer.decode(ids.slice(-this.#window));
    return this.#stops.some(({ text }) => tail.includes(text));
  }

  /** `text` up to the last stop string in it, which must have been reached. */
  cut(text: string): string {
    const at = Math.max(...this.#stops.map(({ text: stop }) => text.lastIndexOf(stop)));
    return at < 0 ? text : text.slice(0, at);
  }

  /** Characters of `text` before the first stop string that ends behind `from`, or that may have begun at its end. */
  certain(text: string, from: number): number {
    let most = text.length;
    for (const { text: stop } of this.#stops) {
      const whole = text.indexOf(stop, Math.max(0, from - stop.length + 1));
      if (whole >= 0) most = Math.min(most, whole);
      for (let n = Math.min(stop.length - 1, text.length); n > text.length - most; n--)
        if (text.endsWith(stop.slice(0, n))) most = text.length - n;
    }
    return most;
  }
}
