/** What keeps conversations from being trained on, as far as their texts say it: told before the first step. */
import type { Conversation } from "../../data/conversation-form.js";
import { Faults, type Problem } from "../../data/problem.js";
import { countImages } from "../../text/message.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { rowCount } from "../asking/prompt-rows.js";
import { encodeWithImages } from "../input/image-tokens.js";
import { formatPrompt, type Template } from "../input/template.js";
import type { MedMoeNetwork } from "../network/network.js";
import { type Reading, shownOf } from "./training-batches.js";

/** Which rows a text gets, and how many there are. */
export interface Room {
  readonly tokenizer: Pick<TextTokenizer, "bos" | "encode">;
  /** Of a text, in ids, images as one: the rest is cut off, as published, before images take their rows. */
  readonly maxLength: number;
  readonly network: Pick<MedMoeNetwork, "imageRows" | "model">;
}

/** Conversations that the model has no positions for, each named by its place. `promptOf` gives what it reads of one. */
export function longConversations(
  conversations: readonly Conversation[],
  promptOf: (conversation: Conversation) => string,
  { tokenizer, maxLength, network }: Room,
): Problem[] {
  const faults = new Faults();
  const { imageRows } = network;
  const { positions } = network.model.config;
  const fits = (prompt: string) => {
    const images = countImages(prompt) * (imageRows - 1);
    // Ids of ASCII are no more than its letters: most texts need no tokenizing.
    const most = /^\p{ASCII}*$/u.test(prompt) ? Math.min(prompt.length + 1, maxLength) : maxLength;
    return (
      most + images <= positions ||
      rowCount(encodeWithImages(tokenizer, prompt).slice(0, maxLength), imageRows) <= positions
    );
  };
  for (const conversation of conversations)
    if (!fits(promptOf(conversation)))
      faults.add(
        "conversation",
        "it is longer than the model",
        `The model has ${positions} positions, an image takes ${imageRows} of them: shorten the text, leave images out, or lower --max-length (${maxLength})`,
        conversation.place,
      );
  return faults.problems(conversations.length);
}

/** Conversations that a tuning stage cannot compute a step of. */
export function untrainable(
  conversations: readonly Conversation[],
  { template, tokenizer, maxLength, seed }: Reading,
  network: Room["network"],
): Problem[] {
  if (template.name === "plain") {
    const turns = manyTurns(conversations, template);
    if (turns.length > 0) return turns;
  }
  const promptOf = (conversation: Conversation) => formatPrompt(template, shownOf(conversation, seed).messages);
  return longConversations(conversations, promptOf, { tokenizer, maxLength, network });
}

function manyTurns(conversations: readonly Conversation[], { name }: Template): Problem[] {
  const faults = new Faults();
  for (const { messages, place } of conversations)
    if (messages.length !== 2)
      faults.add(
        "conversation",
        `it has more than the two turns of the template ${name}, an image and its caption`,
        "Take captions, or the template of the model's family (--template)",
        place,
      );
  return faults.problems(conversations.length);
}
