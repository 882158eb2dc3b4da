/** Conversations with a Med-MoE model, for its tests. */
import type { ChatEnd, ChatOptions, MedMoe, Message } from "../../models/index.js";

export const user = (text: string): Message => ({ role: "user", text });
export const assistant = (text: string): Message => ({ role: "assistant", text });
export const ASKED = [user("<image>\nWhich organ is shown?")];

/** What the model says, whole and in its pieces, and how it ended. */
export async function answerOf(model: MedMoe, messages: readonly Message[], options: ChatOptions = {}) {
  const pieces: string[] = [];
  const chat = model.chat(messages, { maxNewTokens: 8, ...options });
  for (;;) {
    const { value, done } = await chat.next();
    if (done) return { text: pieces.join(""), pieces, end: value as ChatEnd };
    pieces.push(value as string);
  }
}
