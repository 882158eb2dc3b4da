/**
 * The token texts of a llama2.c tokenizer file: int32 longest token, then for each token float32 score, int32 length,
 * bytes. Only what decoding needs: scores belong to encoding.
 */
export class Vocabulary {
  readonly #tokens: Uint8Array[] = [];

  constructor(file: Uint8Array, size: number) {
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    for (let at = 4; this.#tokens.length < size; ) {
      const length = view.getInt32(at + 4, true);
      at += 8;
      this.#tokens.push(file.subarray(at, at + length));
      at += length;
    }
  }

  /** Text of ids that follow the token BOS (1): the blank in front of the first word is dropped. */
  decode(ids: readonly number[]): string {
    const text = new TextDecoder().decode(concatenate(ids.map((id) => this.#bytes(id))));
    return text.startsWith(" ") ? text.slice(1) : text;
  }

  /** `<0x0A>` stands for the byte 10. */
  #bytes(id: number): Uint8Array {
    const token = this.#tokens[id];
    const byte = /^<0x([0-9A-F]{2})>$/.exec(new TextDecoder().decode(token))?.[1];
    return byte === undefined ? token : Uint8Array.of(Number.parseInt(byte, 16));
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
