/** A conversation to train on: its ids, and which of them count. */
import { OptionError } from "../../../engine/index.js";
import type { Message } from "../../text/message.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { encodeWithImages, IMAGE_TOKEN } from "./image-tokens.js";
import { formatPrompt, type Template } from "./template.js";

/** Positions that are not trained. */
export const IGNORE = -100;

/** Ids of a text at most, images as one: all three stages were trained with it. */
export const TEXT_LENGTH = 2048;

export interface TextSample {
  /** With IMAGE_TOKEN where an image goes. */
  readonly ids: readonly number[];
  /** The id that each position should have, IGNORE for what is given: all but answers and their ends. */
  readonly labels: readonly number[];
  /** Why nothing of it is trained; null where something is. */
  readonly warning: string | null;
}

/**
 * Ids and labels of a conversation that ends with an answer.
 *
 * In the chat templates rounds are measured by tokenizing each by itself, as published: an answer begins one id before
 * the end of `... ASSISTANT: `, whose last blank goes to the answer's first word in the full text. Where the lengths do
 * not add up (a text that spells `ASSISTANT:` or the end of a text), nothing of the conversation is trained.
 */
export function trainingSample(
  template: Template,
  messages: readonly Message[],
  tokenizer: Pick<TextTokenizer, "bos" | "pad" | "encode">,
  maxLength = TEXT_LENGTH,
): TextSample {
  if (messages.at(-1)?.role !== "assistant") throw new OptionError("A conversation to train on ends with an answer.");
  if (template.name === "simple")
    throw new OptionError(
      "The template simple is for answering: no training with it is published. Take stablelm or phi.",
    );
  const prompt = formatPrompt(template, messages);
  const ids = encodeWithImages(tokenizer, prompt);
  if (template.name === "plain") {
    if (messages.length !== 2)
      throw new OptionError("The template plain takes an image and its caption, two messages.");
    return { ids, labels: ids.map((id) => (id === IMAGE_TOKEN ? IGNORE : id)), warning: null };
  }

  const { labels, measured } = maskRounds(template, prompt, ids, tokenizer);
  const length = ids.filter((id) => id !== tokenizer.pad).length;
  if (measured < maxLength && measured !== length) {
    const warning = `tokenization mismatch: its rounds have ${measured} ids, the whole has ${length}; it is not trained`;
    return { ids, labels: ids.map(() => IGNORE), warning };
  }
  const trained = labels.slice(0, maxLength).some((label) => label !== IGNORE);
  const warning = `its question fills all ${maxLength} ids, so that no answer is left; it is not trained`;
  return { ids, labels, warning: trained ? null : warning };
}

/** Labels by rounds, and the ids that these have together. */
function maskRounds(
  { roles, ends }: Template,
  prompt: string,
  ids: readonly number[],
  tokenizer: Pick<TextTokenizer, "bos" | "encode">,
) {
  const labels = [...ids];
  const length = (text: string) => encodeWithImages(tokenizer, text).length;
  const answer = `${ends.user}${roles.assistant}: `;
  let measured = 0;
  for (const round of prompt.split(ends.assistant)) {
    const parts = round.split(answer);
    if (parts.length !== 2) break;
    labels.fill(IGNORE, measured, measured + length(parts[0] + answer) - 1);
    measured += length(round) + 1;
  }
  return { labels: labels.fill(IGNORE, measured), measured };
}
