import { OptionError, refuseUnknown, requireArray, requireObject } from "../../../engine/index.js";
import { newTokens } from "../../generation/generate.js";
import { checkSampling, type Finish, StopStrings, TextStream, tokens } from "../../generation/index.js";
import type { SamplingOptions } from "../../generation/sampling.js";
import { type ImageSource, imagePixels } from "../../images/load-image.js";
import { countImages, IMAGE, type Message } from "../../text/message.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { padsImages, pixelValues } from "../input/image-input.js";
import { encodeWithImages } from "../input/image-tokens.js";
import { openPrompt, type Template } from "../input/template.js";
import type { MedMoeNetwork } from "../network/network.js";
import { ChatMemory } from "./chat-memory.js";
import { languageModel } from "./language-model.js";
import { promptRows, rowCount } from "./prompt-rows.js";

/** How a message is answered. Without sampling options the likeliest token is taken each time. */
export interface ChatOptions extends SamplingOptions {
  /** An image for each `<image>` in the user's messages, in their order. */
  readonly images?: readonly ImageSource[];
  /** Whether images are padded to squares; else a long side loses its ends. Default: as the model was tuned. */
  readonly pad?: boolean;
  /** Tokens of the answer at most. Default 512. The model's positions bound them, too. */
  readonly maxNewTokens?: number;
  /** Texts that end an answer, besides that of the template. */
  readonly stop?: readonly string[];
  /** Of the random choices: of tokens, and of second experts. Default 0. */
  readonly seed?: number;
  /** Rejects with its reason, before the next token. */
  readonly signal?: AbortSignal;
  /** What earlier turns computed. Default: everything is computed anew, and the answer depends on the arguments alone. */
  readonly memory?: ChatMemory;
}

/** How an answer ended: what `chat` returns when its pieces are through. */
export interface ChatEnd {
  /** Why: the end of a text, a stop string, or `maxNewTokens`. */
  readonly finish: Finish;
  /** Positions of the prompt, image rows among them. */
  readonly prompt: number;
  /** Those of them that were in the memory. */
  readonly remembered: number;
  /** Tokens of the answer. */
  readonly tokens: number;
}

/** Who answers. */
export interface Speaker {
  readonly network: MedMoeNetwork;
  readonly tokenizer: TextTokenizer;
  readonly template: Template;
}

/** The answer to a conversation: `MedMoe.chat`. */
export async function* chat(
  speaker: Speaker,
  messages: readonly Message[],
  options: ChatOptions,
): AsyncGenerator<string, ChatEnd> {
  const { network, tokenizer, template } = speaker;
  checkArguments(messages, options);
  const { stop = [], seed = 0, signal, temperature, topK, topP, memory = new ChatMemory() } = options;
  const { positions } = network.model.config;
  const ids = promptIds(speaker, messages, options.images?.length ?? 0);
  const prompt = rowCount(ids, network.imageRows);
  const most = newTokens(options, prompt, positions);
  checkSampling(options);
  signal?.throwIfAborted();
  const images = await pixelsOf(network, options);
  signal?.throwIfAborted();

  const stops = [template.stop, ...stop];
  const text = new TrimmedText(new TextStream(tokenizer, new StopStrings(tokenizer, stops)));
  const said: number[] = [];
  let finish: Finish = "length";
  const begun = memory.begin(network, { ids, images }, prompt + Math.max(most, 1) - 1);
  const remembered = begun.cache.length;
  try {
    if (network.config.moe?.topK === 2) network.lm_head.weight.device.seed(seed);
    using rows = promptRows(network, ids.slice(begun.ids), images.slice(begun.images));
    const model = languageModel(network, { vocabulary: tokenizer.size });
    const how = { temperature, topK, topP, seed, signal, stop: stops, stopIds: [tokenizer.eos], tokenizer };
    for await (const token of tokens(model, [rows], { ...how, maxNewTokens: most, cache: begun.cache })) {
      said.push(token.id);
      finish = token.finish ?? finish;
      const piece = text.push(token.id, token.finish);
      if (piece !== "") yield piece;
    }
  } finally {
    if (options.memory) memory.end({ ids: [...ids, ...said], images });
    else memory.dispose();
  }
  return { finish, prompt, remembered, tokens: said.length };
}

const OPTIONS: Readonly<Record<keyof ChatOptions, 1>> = {
  images: 1,
  pad: 1,
  maxNewTokens: 1,
  stop: 1,
  seed: 1,
  signal: 1,
  memory: 1,
  temperature: 1,
  topK: 1,
  topP: 1,
};

function checkArguments(messages: unknown, options: ChatOptions): void {
  requireArray("chat", messages, 'a list of messages, [{ role: "user", text }],');
  for (const [i, message] of (messages as unknown[]).entries()) {
    const { role, text } = (message ?? {}) as Partial<Message>;
    if ((role !== "user" && role !== "assistant") || typeof text !== "string")
      throw new OptionError(`chat: message ${i + 1} is no { role: "user" or "assistant", text: "..." }.`);
  }
  requireObject("chat", options, "the second argument, { images, ... },");
  refuseUnknown("chat", options, OPTIONS);
  if (options.images !== undefined) requireArray("chat", options.images, "a list of images, also of one alone,");
  if (options.stop !== undefined)
    requireArray("chat", options.stop, "a list of texts that stop an answer, also of one alone,");
}

/** Throws OptionError for what cannot be asked. */
function promptIds({ network, tokenizer, template }: Speaker, messages: readonly Message[], images: number): number[] {
  // Images are the user's: an answer that spells the placeholder has no place for one.
  const texts = messages.map(({ role, text }) => ({
    role,
    text: role === "user" ? text : text.replaceAll(IMAGE, ""),
  }));
  const blank = texts.findIndex(({ role, text }) => role === "user" && text.trim() === "");
  if (blank >= 0) throw new OptionError(`Message ${blank + 1} is empty: ask something, or show an image (${IMAGE}).`);
  const ids = encodeWithImages(tokenizer, openPrompt(template, texts));
  checkPlaces(texts, images);
  const { positions, vocabulary } = network.model.config;
  if (ids.some((id) => id >= vocabulary))
    throw new OptionError(
      `The model's vocabulary has ${vocabulary} ids, the tokenizer ${tokenizer.size}: take the model's own tokenizer.`,
    );
  const rows = rowCount(ids, network.imageRows);
  if (rows >= positions) {
    const parts = `${ids.length - images} tokens${images > 0 ? `, ${images} images of ${network.imageRows} positions` : ""}`;
    throw new OptionError(
      `The conversation fills ${rows} of the model's ${positions} positions (${parts}), which leaves none for an answer. Shorten it, leave images out, or begin a new one.`,
    );
  }
  return ids;
}

function checkPlaces(messages: readonly Message[], images: number): void {
  const places = messages.reduce((sum, { text }) => sum + countImages(text), 0);
  if (places === images) return;
  throw new OptionError(
    `Images given: ${images}; places for one in the messages (${IMAGE}): ${places}. Each image has its place, in their order.`,
  );
}

async function pixelsOf(network: MedMoeNetwork, { images = [], pad, signal }: ChatOptions): Promise<Float32Array[]> {
  const { imageSize } = network.image_tower.config;
  const padded = pad ?? padsImages("chat", network.config.vision.pad ? "pad" : "square");
  const pixels: Float32Array[] = [];
  for (const [i, image] of images.entries()) {
    signal?.throwIfAborted();
    pixels.push(pixelValues(await imagePixels(image, `image ${i + 1}`), imageSize, padded));
  }
  return pixels;
}

/** Pieces of an answer without the blanks around it: those at the end of a piece wait for what follows. */
class TrimmedText {
  readonly #stream: TextStream;
  #begun = false;
  #blanks = "";

  constructor(stream: TextStream) {
    this.#stream = stream;
  }

  push(id: number, finish: Finish | null): string {
    const piece = this.#stream.push(id) + (finish ? this.#stream.end({ stopped: finish === "stop" }) : "");
    const text = this.#blanks + piece;
    const shown = text.trimEnd();
    this.#blanks = text.slice(shown.length);
    if (this.#begun) return shown;
    this.#begun = shown !== "";
    return shown.trimStart();
  }
}
