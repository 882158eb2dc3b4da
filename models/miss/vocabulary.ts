/**
 * The vocabulary of a WordPiece tokenizer: one piece a line, the line number is the id, continuations start with `##`.
 * `bert-base-uncased` has 30522 lines; a small model may carry a shorter list of its own in the same format.
 */
import { io } from "../../engine/index.js";

/** Pieces every vocabulary has to hold. `[PAD]` has to be the first: loss and embedding take id 0 for padding. */
const REQUIRED = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] as const;

/** The pieces in the order of their ids. Throws FileFormatError naming the file and line of a duplicate, or what is missing. */
export function parseVocabulary(text: string, fileName: string): string[] {
  const pieces = text.split(/\r?\n/);
  if (pieces.at(-1) === "") pieces.pop();

  const seen = new Map<string, number>();
  for (const [id, piece] of pieces.entries()) {
    const place = `${fileName}:${id + 1}`;
    if (piece === "") throw new io.FileFormatError(place, "an empty line", "Each line holds one piece");
    const earlier = seen.get(piece);
    if (earlier !== undefined) {
      throw new io.FileFormatError(
        place,
        `piece "${piece}" is already on line ${earlier + 1}`,
        "Remove one of the two",
      );
    }
    seen.set(piece, id);
  }

  const missing = REQUIRED.filter((piece) => !seen.has(piece));
  if (missing.length)
    throw new io.FileFormatError(fileName, `no ${missing.join(", ")}`, "A BERT vocabulary holds them");
  if (pieces[0] !== "[PAD]")
    throw new io.FileFormatError(`${fileName}:1`, `"${pieces[0]}"`, "The first has to be [PAD]");
  return pieces;
}

export const formatVocabulary = (pieces: readonly string[]) => `${pieces.join("\n")}\n`;

export async function loadVocabulary(
  path: string,
  advice = "It is a vocabulary, one piece a line: check the path",
): Promise<string[]> {
  return parseVocabulary(await io.readText(path, advice), path);
}

/**
 * The pieces of `full` that `used` names, the special ones and all single characters of ASCII words, in the order of
 * `full`. Texts that were split with `full` into `used` split into the same pieces with the result: a longer match that
 * is not in `full` is not in a part of it either. Other words fall apart into letters instead of becoming `[UNK]`.
 */
export function reduceVocabulary(full: readonly string[], used: Iterable<string>): string[] {
  const keep = new Set<string>([...REQUIRED, ...used]);
  const letter = /^(##)?[a-z0-9]$/;
  const rest = full.filter((piece) => piece !== "[PAD]" && (keep.has(piece) || letter.test(piece)));
  return ["[PAD]", ...rest];
}
