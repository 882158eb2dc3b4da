/**
 * Conversations about images in the format of LLaVA, LLaVA-Med and Med-MoE: a JSON array, or JSON lines, of
 *
 *     {"id": "7", "image": "a.jpg" or ["a.jpg", "b.jpg"], "conversations": [{"from": "human", "value": "<image>\nWhere?"},
 *      {"from": "gpt", "value": "Left."}], "answer_type": "OPEN", "modality": "MRI"}
 *
 * `image` is left out of a text without one, `answer_type` and `modality` where nothing asks for them. A question alone may stand
 * as LLaVA's and LLaVA-Med's question files have it:
 *
 *     {"question_id": 7, "image": "a.jpg", "text": "Where?"}
 */
import type { Message } from "../text/message.js";
import type { ProblemKind } from "./problem.js";
import { type AnswerType, imagePath } from "./record.js";
import { isAbsolute, isUrl } from "./table.js";

/** A conversation about images, as a file holds it. */
export interface Conversation {
  /** The file's own; absent where it gives none. */
  readonly id?: string;
  /** Paths, in the order of their places in the text. */
  readonly images: readonly string[];
  /** Turn by turn, the user's first. */
  readonly messages: readonly Message[];
  /** Open or closed, where the file says it. */
  readonly answerType?: AnswerType;
  /** What a router learns to tell apart: MRI, CT, a part of the body. */
  readonly modality?: string;
  /** Where it is, for messages: `item 3` of an array, counted from 1, or `line 3`; the file too, where there are several. */
  readonly place: string;
}

/** Told of each fault of an item. */
export type Fault = (kind: ProblemKind, what: string, advice: string) => void;

const TURN = 'A turn is {"from": "human" or "gpt", "value": "..."}';
const ROLES: Readonly<Record<string, Message["role"]>> = { human: "user", gpt: "assistant" };

/** How a file of conversations looks, for errors. */
export const FORM = 'It is a JSON array, or JSON lines, of {"id": ..., "image": "a.jpg", "conversations": [...]}';

/** What could be read of an item; null for what is no conversation at all. */
export function conversationOf(value: unknown, place: string, folder: string, fault: Fault): Conversation | null {
  if (!isObject(value)) {
    fault("bad value", "it is no object", FORM);
    return null;
  }
  const turns = turnsOf(value);
  if (!Array.isArray(turns) || turns.length === 0) {
    fault("bad value", 'it has neither "conversations" nor, as a question, "text"', TURN);
    return null;
  }
  const messages = turns.flatMap((turn): Message[] => {
    const role = isObject(turn) && typeof turn.from === "string" ? ROLES[turn.from] : undefined;
    if (role !== undefined && isObject(turn) && ["string", "number"].includes(typeof turn.value))
      return [{ role, text: String(turn.value) }];
    fault("bad value", "a turn has another form", TURN);
    return [];
  });
  const { id = value.question_id, answer_type: answerType, modality } = value;
  return {
    ...(isFilled(id) && { id: String(id) }),
    images: imagesOf(value.image, folder, fault),
    messages,
    ...(isFilled(answerType) && { answerType: answerTypeOf(answerType, fault) }),
    ...(isFilled(modality) && { modality: String(modality).trim() }),
    place,
  };
}

/** LLaVA-Med's own files misspell the key; its question files have a text in their place. */
function turnsOf({ conversations, conversatons, text }: Record<string, unknown>): unknown {
  const turns = conversations ?? conversatons;
  return turns === undefined && isFilled(text) ? [{ from: "human", value: text }] : turns;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isFilled = (value: unknown): value is string | number =>
  typeof value === "number" || (typeof value === "string" && value.trim() !== "");

function imagesOf(image: unknown, folder: string, fault: Fault): string[] {
  const names = image === undefined || image === null ? [] : Array.isArray(image) ? image : [image];
  return names.flatMap((name): string[] => {
    if (typeof name !== "string" || name.trim() === "")
      fault("bad value", '"image" is neither a file nor a list of files', "Name files, or leave it out");
    else if (isUrl(name)) fault("bad value", '"image" is a URL', "Download the images and name the files");
    else return [isAbsolute(name) || folder === "" ? name : imagePath(folder, name)];
    return [];
  });
}

/** LLaVA-Med writes `close`, VQA-RAD `CLOSED`. */
function answerTypeOf(value: string | number, fault: Fault): AnswerType | undefined {
  const word = String(value).trim().toUpperCase();
  if (word === "OPEN") return "OPEN";
  if (word === "CLOSED" || word === "CLOSE") return "CLOSED";
  fault("answer type", `"answer_type" is ${JSON.stringify(value)}`, "Write OPEN or CLOSED: questions are scored by it");
  return undefined;
}

/** The text of a file that `loadConversations` reads back. Images below `imageFolder` are named from there. */
export function formatConversations(conversations: readonly Conversation[], imageFolder = ""): string {
  const prefix = imageFolder === "" ? "" : `${imageFolder.replace(/\/+$/, "")}/`;
  const lines = conversations.map(({ id, images, messages, answerType, modality }) => {
    const names = images.map((image) => (image.startsWith(prefix) ? image.slice(prefix.length) : image));
    return JSON.stringify({
      id,
      ...(names.length > 0 && { image: names.length === 1 ? names[0] : names }),
      conversations: messages.map(({ role, text }) => ({ from: role === "user" ? "human" : "gpt", value: text })),
      answer_type: answerType,
      modality,
    });
  });
  return `[\n${lines.join(",\n")}\n]\n`;
}
