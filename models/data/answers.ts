/** How two answers are compared. */

/**
 * Lower-case, trimmed, one blank between words, no blanks around punctuation: a decoded WordPiece answer reads "x - ray"
 * where the data set says "X-ray".
 */
export function normaliseAnswer(text: string): string {
  return text
    .toLowerCase()
    .replace(/\s*([^\p{L}\p{N}\s])\s*/gu, "$1")
    .replace(/\s+/g, " ")
    .trim();
}

export const sameAnswer = (a: string, b: string) => normaliseAnswer(a) === normaliseAnswer(b);

/** "yes" or "no" for exactly these four spellings, as in the scoring scripts of MISS; undefined for all others. */
export function publishedYesNo(answer: string): "yes" | "no" | undefined {
  if (answer === "yes" || answer === "Yes") return "yes";
  if (answer === "no" || answer === "No") return "no";
  return undefined;
}
