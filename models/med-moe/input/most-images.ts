import type { HostRandom } from "../../../engine/index.js";
import type { Conversation } from "../../data/conversation-form.js";
import { shuffle } from "../../data/order.js";
import { IMAGE } from "../../text/message.js";

/** Images of one conversation that a model is shown at most. */
export const MOST_IMAGES = 16;

/** Of a conversation with more than `most` images that many by chance, in their order; the places of the others go with them. */
export function fewerImages(conversation: Conversation, random: HostRandom, most = MOST_IMAGES): Conversation {
  const { images, messages } = conversation;
  if (images.length <= most) return conversation;
  const kept = new Set(shuffle(images.length, random).subarray(0, most));
  let place = 0;
  return {
    ...conversation,
    images: images.filter((_, i) => kept.has(i)),
    messages: messages.map(({ role, text }) => ({
      role,
      text: text.replaceAll(IMAGE, () => (kept.has(place++) ? IMAGE : "")),
    })),
  };
}
