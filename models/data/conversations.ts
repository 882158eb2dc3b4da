/** Files of conversations, to train on and to answer: all that is wrong with them is told at once. */
import { io } from "../../engine/index.js";
import { countImages, type Message } from "../text/message.js";
import { type Conversation, conversationOf, type Fault, FORM } from "./conversation-form.js";
import { imageProblems } from "./images-present.js";
import { itemsOf } from "./json-items.js";
import { Faults, type Problem, refuseProblems } from "./problem.js";
import type { VqaRecord } from "./record.js";
import { folderOf } from "./table.js";

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
  refuseProblems(problems, files.join(", "));
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
  refuseProblems([...ids, ...problems], files.join(", "));
  return conversations;
}

/** What is wrong with a conversation beside its form. */
type Check = (conversation: Conversation, fault: Fault) => void;

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
  if (requireImages) problems.push(...(await imageProblems(conversations, { signal })));
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
  const items = itemsOf(text, fileName, FORM, prefix);
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
