/** What an evaluation asks: the question of a conversation as the published driver puts it, and which part of them a process takes. */
import { OptionError } from "../../../engine/index.js";
import type { Conversation } from "../../data/conversation-form.js";
import { IMAGE } from "../../text/message.js";

/** What the published driver adds for questions with choices. */
const SINGLE_PREDICTION = "\nAnswer with the option's letter from the given choices directly.";

/** The first turn, a line `<image>` in front for each image, wherever its places were. */
export function questionText(
  { images, messages }: Pick<Conversation, "images" | "messages">,
  { singlePrediction = false }: { readonly singlePrediction?: boolean } = {},
): string {
  const said = messages[0].text.replaceAll(IMAGE, "").trim();
  return `${IMAGE}\n`.repeat(images.length) + said + (singlePrediction ? SINGLE_PREDICTION : "");
}

/** Chunk `index` of `chunks`: slices of ⌈n / chunks⌉ that follow each other, as the published driver cuts; late ones may be empty. */
export function chunkOf<T>(items: readonly T[], chunks: number, index: number): T[] {
  if (!(Number.isInteger(chunks) && chunks >= 1))
    throw new OptionError(`${chunks} chunks: a whole number of 1 or more is needed.`);
  if (!(Number.isInteger(index) && index >= 0 && index < chunks))
    throw new OptionError(`There is no chunk ${index} of ${chunks}: they are counted from 0 to ${chunks - 1}.`);
  const size = Math.ceil(items.length / chunks);
  return items.slice(index * size, (index + 1) * size);
}
