import { createInterface } from "node:readline";
import { ConsiliumError, DeviceLostError } from "../../../engine/index.js";
import { imagePixels } from "../../../models/index.js";
import type { ChatSession } from "./session.js";

/** Where a conversation is held. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Ends the process at once: the second Ctrl-C. */
  leave(): void;
}

/** What a user may type besides messages. */
export const TALK_HELP = `/image FILE shows an image with the next message, /new begins a new conversation, /exit or Ctrl-D leaves.
Ctrl-C stops an answer; once more leaves.`;

/** Asks and answers until the user leaves. What goes wrong in a turn is said, and the conversation goes on. */
export async function talk(session: ChatSession, { input, output, leave }: Terminal): Promise<void> {
  const lines = createInterface({ input, output, terminal: true, prompt: "> " });
  let answering: AbortController | null = null;
  let warned = false;
  lines.on("SIGINT", () => {
    if (answering && !answering.signal.aborted) answering.abort();
    else if (answering || warned) {
      lines.close();
      leave();
    } else {
      warned = true;
      output.write("\nCtrl-C once more leaves.\n");
      lines.prompt();
    }
  });
  const answer = async (text: string) => {
    answering = new AbortController();
    const { signal } = answering;
    try {
      for await (const piece of session.ask(text, signal)) output.write(printable(piece));
      output.write("\n");
    } catch (error) {
      if (!(signal.aborted && error === signal.reason)) throw error;
      output.write(" [stopped]\n");
    } finally {
      answering = null;
    }
  };
  output.write(`${TALK_HELP}\n`);
  lines.prompt();
  for await (const line of lines) {
    warned = false;
    try {
      if (line.trim() === "/exit") break;
      await obey(line.trim(), session, output, answer);
    } catch (error) {
      if (!(error instanceof ConsiliumError) || error instanceof DeviceLostError) throw error;
      output.write(`${error.message}\n`);
    }
    lines.prompt();
  }
  lines.close();
}

async function obey(
  line: string,
  session: ChatSession,
  output: NodeJS.WritableStream,
  answer: (text: string) => Promise<void>,
): Promise<void> {
  if (!line.startsWith("/")) return line === "" ? undefined : answer(line);
  const [, command, rest] = /^\/(\S*)\s*(.*)$/s.exec(line) as unknown as [string, string, string];
  if (command === "image" && rest !== "") {
    const image = await imagePixels(rest).catch((error: Error) => error);
    if (!(image instanceof Error)) session.show(image);
    output.write(image instanceof Error ? `${image.message}\n` : "It is shown with the next message.\n");
  } else if (command === "new") {
    session.clear();
    output.write("A new conversation, without images.\n");
  } else output.write(`${TALK_HELP}\n`);
}

/** A model may say anything: what would steer a terminal, or turn the order of its text, is shown as its number: \x1b, \u202e. */
export const printable = (text: string): string => text.replace(STEERING, (character) => escaped(character));

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const STEERING = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
}
