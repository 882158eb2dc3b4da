/** The batches of a run on the host: which conversations, their ids, their images. */
import type { Conversation } from "../../data/conversation-form.js";
import { lengthGroups } from "../../data/length-groups.js";
import { batches, type Cursor } from "../../data/order.js";
import { randomStream } from "../../data/random.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { readAhead } from "../../training/loading/read-ahead.js";
import type { DataThreads } from "../../training/loading/threads.js";
import { collateImages } from "../input/collate.js";
import { IMAGE_TOKEN } from "../input/image-tokens.js";
import { fewerImages } from "../input/most-images.js";
import { IGNORE, trainingSample } from "../input/sample.js";
import type { SquareImages } from "../input/square-images.js";
import type { Template } from "../input/template.js";

/** How conversations become numbers. */
export interface Reading {
  readonly template: Template;
  readonly tokenizer: TextTokenizer;
  readonly images: SquareImages;
  /** Of a text, in ids. */
  readonly maxLength: number;
  readonly seed: number;
}

/** Conversations that are computed together. */
export interface HostBatch {
  readonly samples: readonly { readonly ids: readonly number[]; readonly labels: readonly number[] }[];
  /** [images, 3, size, size]; null where no sample has a place for one and none is needed. */
  readonly pixels: Float32Array;
  /** Images in `pixels`. */
  readonly images: number;
  /** Why some of its conversations are not trained. */
  readonly warnings: readonly string[];
}

/** Ids and images of some conversations; null where none of them has anything to learn. */
export async function hostBatch(
  conversations: readonly Conversation[],
  { template, tokenizer, images, maxLength, seed }: Reading,
  signal?: AbortSignal,
): Promise<HostBatch | null> {
  const warnings: string[] = [];
  const shown = conversations.map((conversation) => shownOf(conversation, seed));
  const samples = shown.map(({ messages, place }) => {
    const { ids, labels, warning } = trainingSample(template, messages, tokenizer, maxLength);
    if (warning) warnings.push(`${place}: ${warning}`);
    return { ids: ids.slice(0, maxLength), labels: labels.slice(0, maxLength) };
  });
  if (samples.every(({ labels }) => labels.every((label) => label === IGNORE))) return null;
  const places = Int32Array.from(samples, ({ ids }) => ids.filter((id) => id === IMAGE_TOKEN).length);
  const seen = shown.map(({ images: paths }, b) => paths.slice(0, places[b]));
  const read = await images.read(seen.flat(), signal);
  let at = 0;
  const own = seen.map((paths) => {
    at += paths.length;
    return read.slice(at - paths.length, at);
  });
  const pixels = collateImages({ images: places }, own, images.size);
  return { samples, pixels, images: pixels.length / (3 * images.size ** 2), warnings };
}

/** The first conversations that can be learned from. Throws where none of the first hundreds can. */
export async function firstBatch(
  conversations: readonly Conversation[],
  batch: number,
  reading: Reading,
  signal?: AbortSignal,
): Promise<HostBatch> {
  for (let start = 0; start < Math.min(conversations.length, 50 * batch); start += batch) {
    const found = await hostBatch(conversations.slice(start, start + batch), reading, signal);
    if (found) return found;
  }
  throw new Error(
    "train: the first conversations have nothing to learn from: their answers are empty or behind the longest text. Check --template and --max-length.",
  );
}

/** A conversation with the images that the model is shown of it. */
export const shownOf = (conversation: Conversation, seed: number): Conversation =>
  fewerImages(conversation, randomStream(seed, "images", hash(conversation.place)));

/** A number below 2^24 that tells texts apart. */
function hash(text: string): number {
  let h = 0;
  for (let i = 0; i < text.length; i++) h = (Math.imul(h, 31) + text.charCodeAt(i)) >>> 0;
  return h % 2 ** 24;
}

/** The batches of one optimiser step, and where the run stands after it. */
export interface StepBatches {
  readonly batches: readonly HostBatch[];
  readonly next: Cursor;
}

export interface StepOrder {
  readonly batch: number;
  readonly accumulate: number;
  readonly groupByLength: boolean;
  readonly seed: number;
}

/** Steps of an epoch; the last may have fewer batches, and its last batch fewer conversations. */
export const stepsPerEpoch = (conversations: number, { batch, accumulate }: StepOrder): number =>
  Math.ceil(conversations / (batch * accumulate));

/** The steps from `from` to the end of its epoch. Those to come are read while one is computed. */
export async function* stepsOf(
  conversations: readonly Conversation[],
  order: StepOrder,
  threads: Pick<DataThreads<unknown, readonly Conversation[], HostBatch | null>, "count" | "run">,
  from: Cursor,
): AsyncGenerator<StepBatches> {
  const { batch, accumulate, groupByLength, seed } = order;
  const sizes = conversations.map(({ messages, images }) => ({
    length: messages.reduce((sum, { text }) => sum + text.split(/\s+/).filter((word) => word !== "").length, 0),
    hasImages: images.length > 0,
  }));
  const byLength = (epoch: number) =>
    lengthGroups(sizes, { batchSize: batch, world: accumulate, random: randomStream(seed, "shuffle", epoch) });
  const plan = batches(
    { seed, n: conversations.length, batchSize: batch * accumulate, ...(groupByLength && { rowsOf: byLength }) },
    from,
  );
  const read = async ({ rows, next }: { rows: Uint32Array; next: Cursor }): Promise<StepBatches> => {
    const parts = Array.from({ length: Math.ceil(rows.length / batch) }, (_, i) =>
      threads.run(Array.from(rows.subarray(i * batch, (i + 1) * batch), (row) => conversations[row])),
    );
    return { batches: (await Promise.all(parts)).filter((part) => part !== null), next };
  };
  yield* readAhead(plan, read, 1 + Math.ceil(threads.count / accumulate));
}
