/** Ids of a text with images: each piece between them is tokenized by itself, an image is one placeholder. */

import { IMAGE } from "../../text/message.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";

/** Stands for an image among ids; no tokenizer gives it. */
export const IMAGE_TOKEN = -200;

/** A tokenizer that starts every text does so here once, in front. */
export function encodeWithImages(tokenizer: Pick<TextTokenizer, "bos" | "encode">, text: string): number[] {
  return text.split(IMAGE).flatMap((piece, i) => {
    const ids = tokenizer.encode(piece);
    if (i === 0) return ids;
    const startsAgain = tokenizer.bos !== null && ids[0] === tokenizer.bos;
    return [IMAGE_TOKEN, ...(startsAgain ? ids.slice(1) : ids)];
  });
}
