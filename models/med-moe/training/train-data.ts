/** The conversations of a run. */
import { io } from "../../../engine/index.js";
import type { Conversation } from "../../data/conversation-form.js";
import { asConversation, loadConversations } from "../../data/conversations.js";
import { conversationsDigest } from "../../data/digest.js";
import { shuffle } from "../../data/order.js";
import { randomStream } from "../../data/random.js";
import type { VqaRecord } from "../../data/record.js";
import { loadOrgan, loadOrganSmoke, loadVqaRad } from "../../data/vqa-rad.js";
import { IMAGE } from "../../text/message.js";
import type { ConversationData } from "./run-config.js";

export interface ConversationSplits {
  readonly train: readonly Conversation[];
  /** About images that are in no training conversation; empty where none are held back. */
  readonly validation: readonly Conversation[];
  /** SHA-256 of all of them: a run goes on with the data that it began with. */
  readonly digest: string;
}

/** What conversations come from, for messages. */
export const dataName = (data: ConversationData): string => (data.set === "json" ? data.files.join(", ") : data.folder);

/** Rejects with one FileFormatError that names everything that is wrong with the files. */
export async function loadConversationSplits(
  data: ConversationData,
  { validation, seed, signal }: { validation: number; seed: number; signal?: AbortSignal },
): Promise<ConversationSplits> {
  const all = await conversationsOf(data, signal);
  if (all.length === 0)
    throw new io.FileFormatError(dataName(data), "it has no conversation to train on", "Take a whole data set");
  const digest = await conversationsDigest(all);
  return { ...(validation === 0 ? { train: all, validation: [] } : heldBack(all, validation, seed)), digest };
}

async function conversationsOf(data: ConversationData, signal?: AbortSignal): Promise<Conversation[]> {
  if (data.set === "json") return loadConversations(data.files, { imageFolder: data.images, signal });
  const { train } = await radByImage(data);
  return train.map(data.set === "vqa-rad-captions" ? asCaption : asConversation);
}

/** The questions of VQA-RAD or of organ.json, by image: no image of `test` is in `train`. */
export async function radByImage({ set, folder, smoke }: Exclude<ConversationData, { set: "json" }>): Promise<{
  /** To train on. */
  train: VqaRecord[];
  /** To measure on. */
  test: VqaRecord[];
}> {
  const organ = await (smoke ? loadOrganSmoke : loadOrgan)(folder);
  if (set === "organ") return organ;
  const official = await loadVqaRad(folder);
  const all = [...official.train, ...official.test];
  const about = (records: readonly VqaRecord[]) => {
    const images = new Set(records.map(({ image }) => image));
    return all.filter(({ image }) => images.has(image));
  };
  return { train: about(organ.train), test: about(organ.test) };
}

/** What is asked and answered about an image as its caption. */
export const asCaption = (record: VqaRecord): Conversation => ({
  ...asConversation(record),
  messages: [
    { role: "user", text: IMAGE },
    { role: "assistant", text: captionOf(record) },
  ],
});

/** A caption begins with this; the answer follows. */
export const captionStart = (question: string) => `${question.trim()} `;
const captionOf = ({ question, answer }: VqaRecord) => captionStart(question) + answer.trim();

/** All conversations about the held-back images on one side; at least one image on each. */
function heldBack(all: readonly Conversation[], share: number, seed: number): Omit<ConversationSplits, "digest"> {
  const keyOf = ({ images, place }: Conversation) => (images.length > 0 ? images.join("\n") : place);
  const keys = [...new Set(all.map(keyOf))].sort();
  const count = Math.min(Math.max(1, Math.round(share * keys.length)), keys.length - 1);
  const shuffled = shuffle(keys.length, randomStream(seed, "split"));
  const held = new Set(Array.from(shuffled.subarray(0, count), (i) => keys[i]));
  return {
    train: all.filter((conversation) => !held.has(keyOf(conversation))),
    validation: all.filter((conversation) => held.has(keyOf(conversation))),
  };
}
