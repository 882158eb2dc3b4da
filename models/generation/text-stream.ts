import type { StopStrings, TokenText } from "./stop-strings.js";

/**
 * Ids to pieces of text as they come. A piece ends with a whole character: a token may end within one, so its text waits for the
 * next. Nor does a piece contain a stop string that came with its last token, or the beginning of one: it waits for what follows.
 */
export class TextStream {
  readonly #tokenizer: TokenText;
  readonly #stops: StopStrings | null;
  readonly #ids: number[] = [];
  /** Ids from `from` on give context: what a token adds may depend on those before it. Up to `read` their text is out. */
  #from = 0;
  #read = 0;
  #held = "";

  constructor(tokenizer: TokenText, stops: StopStrings | null = null) {
    this.#tokenizer = tokenizer;
    this.#stops = stops;
  }

  /** The text that is certain after this id: often empty. */
  push(id: number): string {
    this.#ids.push(id);
    // A stop string that was there before this id did not end the text.
    const before = this.#held.length;
    this.#held += this.#decoded(false);
    const piece = this.#held.slice(0, this.#stops?.certain(this.#held, before));
    this.#held = this.#held.slice(piece.length);
    return piece;
  }

  /** The rest, after the last id; without the stop string where one ended the text. */
  end({ stopped }: { readonly stopped: boolean }): string {
    const rest = this.#held + this.#decoded(true);
    this.#held = "";
    return stopped && this.#stops ? this.#stops.cut(rest) : rest;
  }

  #decoded(last: boolean): string {
    const before = this.#tokenizer.decode(this.#ids.slice(this.#from, this.#read));
    const now = this.#tokenizer.decode(this.#ids.slice(this.#from));
    if (now.length <= before.length || (!last && now.endsWith("\uFFFD"))) return "";
    this.#from = this.#read;
    this.#read = this.#ids.length;
    return now.slice(before.length);
  }
}
