/**
 * Conversations about images in the format of LLaVA, LLaVA-Med and Med-MoE: a JSON array, or JSON lines, of
 *
 *     {"id": "7", "image": "a.jpg" or ["a.jpg", "b.jpg"], "conversations": [{"from": "human", "value": "<image>\nWhere?"},
 *      {"from": "gpt", "value": "Left."}], "answer_type": "OPEN", "modality": "MRI"}
 *
 * `image` is left out of a text without one, `answer_type` and `modality` where nothing asks for them.
 */
import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { countImages, type Message } from "../text/message.js";
import { each } from "./digest.js";
import { linesOf } from "./json-rows.js";
import { Faults, type Problem, type ProblemKind, placesText, refuse } from "./problem.js";
import { type AnswerType, imagePath, type VqaRecord } from "./record.js";
import { folderOf, isAbsolute, isUrl } from "./table.js";

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

/** How files of conversations are read. */
export interface ConversationOptions {
  /** Where the images are; default: the folder of each file. */
  readonly imageFolder?: string;
  /** False: images are not looked for. */
  readonly requireImages?: boolean;
  /** False: questions may have none, or one of another. */
  readonly requireIds?: boolean;
  /** Ends the look for images. */
  readonly signal?: AbortSignal;
}

export interface ParsedConversations {
  /** The sound ones, in the order of the files. */
  readonly conversations: Conversation[];
  /** What is wrong with the others. */
  readonly problems: Problem[];
}

/** Conversations to train on, of several files one after the other. Throws one FileFormatError with every problem. */
export async function loadConversations(
  files: readonly string[],
  options: ConversationOptions = {},
): Promise<Conversation[]> {
  const { conversations, problems } = await readFiles(files, trainable, options);
  refuse(problems, files.join(", "));
  return conversations;
}

/**
 * Questions to answer, of several files: each has an id of its own, and images in any number. Where in the text their
 * places are does not matter, an answer need not be there. Throws one FileFormatError with every problem.
 */
export async function loadQuestionFiles(
  files: readonly string[],
  options: ConversationOptions = {},
): Promise<Conversation[]> {
  const { conversations, problems } = await readFiles(files, answerable, options);
  const ids = options.requireIds === false ? [] : idProblems(conversations);
  refuse([...ids, ...problems], files.join(", "));
  return conversations;
}

/** What is wrong with a conversation beside its form. */
type Check = (conversation: Conversation, fault: Fault) => void;
type Fault = (kind: ProblemKind, what: string, advice: string) => void;

async function readFiles(
  files: readonly string[],
  check: Check,
  { imageFolder, requireImages = true, signal }: ConversationOptions,
): Promise<ParsedConversations> {
  const conversations: Conversation[] = [];
  const problems: Problem[] = [];
  for (const file of files) {
    const text = await io.readText(file, "It holds conversations, a JSON array or JSON lines: check the path");
    const prefix = files.length > 1 ? `${file}, ` : "";
    const parsed = parseConversations(text, file, check, { imageFolder, prefix });
    conversations.push(...parsed.conversations);
    problems.push(...parsed.problems);
  }
  if (requireImages) problems.push(...(await missingImages(conversations, signal)));
  return { conversations, problems };
}

/** As `loadConversations`, from text, without looking for images. `prefix` stands in front of each place. */
export function parseConversations(
  text: string,
  fileName: string,
  check: Check = trainable,
  { imageFolder, prefix = "" }: { imageFolder?: string; prefix?: string } = {},
): ParsedConversations {
  const faults = new Faults();
  const folder = imageFolder ?? folderOf(fileName);
  const items = itemsOf(text, fileName, prefix);
  const conversations = items.flatMap(({ place, value, error }): Conversation[] => {
    let sound = true;
    const fault: Fault = (kind, what, advice) => {
      faults.add(kind, what, advice, place);
      sound = false;
    };
    if (error) fault("bad value", error.what, error.advice);
    const conversation = error ? null : conversationOf(value, place, folder, fault);
    if (conversation && sound) check(conversation, fault);
    return conversation && sound ? [conversation] : [];
  });
  return { conversations, problems: faults.problems(items.length) };
}

interface Item {
  readonly place: string;
  readonly value?: unknown;
  /** A line that is no JSON. */
  readonly error?: io.FileFormatError;
}

function itemsOf(text: string, fileName: string, prefix: string): Item[] {
  const start = text.trimStart();
  const isLines = start.startsWith("{") || start.startsWith("\ufeff{");
  const parsed: Item[] = isLines
    ? [...linesOf(text)].map(({ line, lineText }) => ({
        place: `${prefix}line ${line}`,
        ...jsonOf(lineText, fileName, line),
      }))
    : arrayOf(io.parseJson(text, fileName), fileName).map((value, i) => ({ place: `${prefix}item ${i + 1}`, value }));
  if (parsed.length === 0) throw new io.FileFormatError(fileName, "it holds no conversation", FORM);
  return parsed;
}

function jsonOf(lineText: string, fileName: string, line: number): Omit<Item, "place"> {
  try {
    return { value: io.parseJson(lineText, fileName, { firstLine: line }) };
  } catch (error) {
    if (error instanceof io.FileFormatError) return { error };
    throw error;
  }
}

const FORM = 'It is a JSON array, or JSON lines, of {"id": ..., "image": "a.jpg", "conversations": [...]}';

function arrayOf(value: unknown, fileName: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new io.FileFormatError(fileName, "it is neither a JSON array nor JSON lines", FORM);
}

const TURN = 'A turn is {"from": "human" or "gpt", "value": "..."}';
const ROLES: Readonly<Record<string, Message["role"]>> = { human: "user", gpt: "assistant" };

/** What could be read of an item; null for what is no conversation at all. */
function conversationOf(value: unknown, place: string, folder: string, fault: Fault): Conversation | null {
  if (!isObject(value)) {
    fault("bad value", "it is no object", FORM);
    return null;
  }
  // LLaVA-Med's own files misspell the key.
  const turns = value.conversations ?? value.conversatons;
  if (!Array.isArray(turns) || turns.length === 0) {
    fault("bad value", 'it has no "conversations"', TURN);
    return null;
  }
  const messages = turns.flatMap((turn): Message[] => {
    const role = isObject(turn) && typeof turn.from === "string" ? ROLES[turn.from] : undefined;
    if (role !== undefined && isObject(turn) && ["string", "number"].includes(typeof turn.value))
      return [{ role, text: String(turn.value) }];
    fault("bad value", "a turn has another form", TURN);
    return [];
  });
  const { id, answer_type: answerType, modality } = value;
  return {
    ...(isFilled(id) && { id: String(id) }),
    images: imagesOf(value.image, folder, fault),
    messages,
    ...(isFilled(answerType) && { answerType: answerTypeOf(answerType, fault) }),
    ...(isFilled(modality) && { modality: String(modality).trim() }),
    place,
  };
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
  fault("answer type", `"answer_type" is ${JSON.stringify(value)}`, "Write OPEN or CLOSED, or leave it out");
  return undefined;
}

const trainable: Check = ({ messages, images }, fault) => {
  turns(messages, fault);
  if (messages.at(-1)?.role === "user") fault("conversation", "it ends without an answer", "Add it, or take it out");
  if (messages.some(({ role, text }) => role === "assistant" && countImages(text) > 0))
    fault("conversation", "an answer has a place for an image", "Images go into questions");
  const places = messages.reduce((sum, { text }) => sum + countImages(text), 0);
  if (places !== images.length)
    fault(
      "conversation",
      `${counted(images.length, "image")} for ${counted(places, "<image>", "<image>")} in its text`,
      "Give each image one place",
    );
};

const answerable: Check = ({ messages }, fault) => turns(messages.slice(0, 2), fault);

function turns(messages: readonly Message[], fault: Fault): void {
  if (messages.some(({ role }, i) => role !== (i % 2 === 0 ? "user" : "assistant")))
    fault("conversation", "its turns do not alternate, the human's first", "Put them in order");
  if (messages.some(({ text }) => text.trim() === ""))
    fault("empty value", "a turn is empty", "Fill it, or take it out");
  if (messages.some(({ text }) => text.includes("<video>")))
    fault("conversation", "it asks about a video", "There is no model for videos here: take it out");
}

const counted = (n: number, one: string, many = `${one}s`) => `${n === 0 ? "no" : n} ${n === 1 ? one : many}`;

function idProblems(conversations: readonly Conversation[]): Problem[] {
  const faults = new Faults();
  const first = new Map<string, string>();
  for (const { id, place } of conversations) {
    if (id === undefined) faults.add("empty value", 'there is no "id"', ID_ADVICE, place);
    else if (first.has(id)) faults.add("duplicate id", "the id of an earlier question", ID_ADVICE, place);
    else first.set(id, place);
  }
  return faults.problems(conversations.length);
}

const ID_ADVICE = "Give each question its own: answers are told apart by it";

/** Images that are not there; at most one problem. */
export async function missingImages(
  conversations: readonly Pick<Conversation, "images" | "place">[],
  signal?: AbortSignal,
): Promise<Problem[]> {
  const first = new Map<string, string>();
  for (const { images, place } of conversations)
    for (const image of images) if (!first.has(image)) first.set(image, place);
  const missing: string[] = [];
  await each([...first], signal, async ([image, place]) => {
    if (!(await platform.exists(image))) missing.push(`${image} (${place})`);
  });
  if (missing.length === 0) return [];
  const text = `${missing.length} of ${first.size} images are missing: ${placesText(missing.sort())}`;
  const advice = "Put the images there, name their folder, or take these conversations out";
  return [{ kind: "image missing", text, advice, places: missing }];
}

/** A question of a data set as a conversation; its category stands for the modality. */
export const asConversation = ({
  image,
  question,
  answer,
  answerType,
  category,
  qid,
  row,
  line,
}: VqaRecord): Conversation => ({
  id: qid,
  images: [image],
  messages: [
    { role: "user", text: `<image>\n${question}` },
    { role: "assistant", text: answer },
  ],
  ...(answerType && { answerType }),
  ...(category && { modality: category }),
  place: line === undefined ? `item ${row + 1}` : `line ${line}`,
});

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
