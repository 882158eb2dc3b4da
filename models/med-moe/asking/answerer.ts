import {
  ConsiliumError,
  concat,
  crossEntropy,
  type Device,
  type FloatDType,
  noGrad,
  OptionError,
  reshape,
  scope,
  slice,
  type Tensor,
  tensor,
} from "../../../engine/index.js";
import type { Conversation } from "../../data/conversation-form.js";
import { Faults, type Problem } from "../../data/problem.js";
import { KeyValueCache } from "../../decoder/key-value-cache.js";
import { type Finish, generate, StopStrings } from "../../generation/index.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { padsImages } from "../input/image-input.js";
import { encodeWithImages, IMAGE_TOKEN } from "../input/image-tokens.js";
import { SquareImages } from "../input/square-images.js";
import { openPrompt, type Template } from "../input/template.js";
import type { MedMoeNetwork } from "../network/network.js";
import { type RoutingRecord, RoutingRecorder } from "../routing/routing-record.js";
import { type LanguageModelOptions, languageModel } from "./language-model.js";
import { promptRows, rowCount } from "./prompt-rows.js";
import { questionText } from "./question.js";

/** How questions are put and answered. */
export interface AnswerSettings {
  /** How a question becomes a prompt. */
  readonly template: Template;
  /** Asks for the letter of a choice. Default false. */
  readonly singlePrediction?: boolean;
  /** Whether images are padded to squares. Default, as published: they are not, a long side loses its ends. */
  readonly pad?: boolean;
  /** Default 2048, as published. The model's positions bound them, too. */
  readonly maxNewTokens?: number;
  /** Of the noise that chooses second experts, the same for each question. Default 0. */
  readonly seed?: number;
}

/** An answer to one question. */
export interface MedMoeAnswer {
  /** Of the question. */
  readonly id: string;
  /** What was asked, with `<image>`. */
  readonly prompt: string;
  /** What the model said, special pieces and outer blanks left out. */
  readonly text: string;
  /** Why it ended. */
  readonly finish: Finish;
  /** Which experts the tokens had, where that was asked for. */
  readonly routing: RoutingRecord | null;
}

/** How many questions are answered side by side, and who hears of it. */
export interface AnswerAllOptions {
  /** Questions side by side. Default 1. */
  readonly batch?: number;
  /** Rejects with its reason, before the next token. */
  readonly signal?: AbortSignal;
  /** Called after each batch, with the questions that are answered. */
  onProgress?(done: number, total: number): void;
}

/** A question that could not be answered; the cause says why. */
export class QuestionError extends ConsiliumError {}

/** Tokens of an answer at most, as published. */
export const MAX_NEW_TOKENS = 2048;

/**
 * Puts questions to a model, each by itself, greedily: what it answers depends neither on the others nor on their order, nor on
 * how many processes share them. In the template plain a question begins a caption, which the model ends.
 */
export class MedMoeAnswerer {
  /** The model that answers. */
  readonly network: MedMoeNetwork;
  /** Its vocabulary. */
  readonly tokenizer: TextTokenizer;
  /** How it answers. */
  readonly settings: AnswerSettings;
  readonly #images: SquareImages;

  constructor(network: MedMoeNetwork, tokenizer: TextTokenizer, settings: AnswerSettings) {
    this.network = network;
    this.tokenizer = tokenizer;
    this.settings = settings;
    this.#images = new SquareImages(network.image_tower.config.imageSize, settings.pad ?? padsImages("eval"));
  }

  /** Where it computes. */
  get device(): Device {
    return this.network.lm_head.weight.device;
  }

  /**
   * What keeps questions from being answered, as far as it can be known before: too long for the model, ids that it lacks.
   * `choices` are the answers of which `rank` is to choose; none where they are written.
   */
  problems(questions: readonly Conversation[], choices: readonly string[] = []): Problem[] {
    const faults = new Faults();
    const { positions, vocabulary } = this.network.model.config;
    const ranked = choices.map((text) => this.#answerIds(text));
    const longest = Math.max(1, ...ranked.map((ids) => ids.length));
    for (const question of questions) {
      const ids = this.ids(question);
      const rows = rowCount(ids, this.network.imageRows);
      if ([ids, ...ranked].some((some) => some.some((id) => id >= vocabulary)))
        faults.add(
          "bad value",
          "a question with ids that the model does not have",
          `Its vocabulary has ${vocabulary}, the tokenizer ${this.tokenizer.size}: take the model's own tokenizer`,
          question.place,
        );
      else if (rows >= positions)
        faults.add(
          "bad value",
          "a question that leaves no position for an answer",
          `The model has ${positions} positions: shorten the text, or leave images out`,
          question.place,
        );
      else if (rows + longest - 1 > positions)
        faults.add(
          "bad value",
          "a question that leaves no room for the longest of its answers",
          `The model has ${positions} positions, that answer ${longest} tokens: shorten the text or the answers`,
          question.place,
        );
    }
    return faults.problems(questions.length);
  }

  /** What is asked, in the model's ids. */
  ids(question: Conversation): number[] {
    const text = questionText(question, this.settings);
    return encodeWithImages(this.tokenizer, openPrompt(this.settings.template, [{ role: "user", text }]));
  }

  /** The rows [T, width] of a question and its images, which the caller disposes. */
  async embeds(question: Conversation, signal?: AbortSignal): Promise<Tensor> {
    return promptRows(this.network, this.ids(question), await this.#images.read(question.images, signal));
  }

  /** Greedy. Rejects, naming the question, where it cannot be answered; with the signal's reason, before the next token. */
  async answer(
    question: Conversation,
    { routing = false, signal }: { readonly routing?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<MedMoeAnswer> {
    try {
      return await this.#answer(question, routing, signal);
    } catch (error) {
      if (signal?.aborted && error === signal.reason) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new QuestionError(`question ${question.id ?? question.place}: ${reason}`, { cause: error });
    }
  }

  async #answer(question: Conversation, routing: boolean, signal?: AbortSignal): Promise<MedMoeAnswer> {
    const { moe } = this.network.config;
    const recorder = routing && moe ? new RoutingRecorder(moe) : null;
    using rows = await this.embeds(question, signal);
    const [answer] = await this.#generate([question], [rows], { signal, onMixtures: recorder?.add });
    const routed = await recorder?.record(answer.id, rows.shape[0], this.#imagePlaces(question));
    return { ...answer, routing: routed ?? null };
  }

  /**
   * All of them, in their order, `batch` side by side: the same answers as one by one, without their routing. With two experts of
   * a token the noise that chooses the second depends on the batch. Rejects with the signal's reason, before the next token.
   */
  async answerAll(
    questions: readonly Conversation[],
    { batch = 1, signal, onProgress }: AnswerAllOptions = {},
  ): Promise<MedMoeAnswer[]> {
    if (!(Number.isInteger(batch) && batch >= 1))
      throw new OptionError(`\`batch\` is ${batch}; a whole number of 1 or more is needed.`);
    const answers = new Array<MedMoeAnswer>(questions.length);
    let done = 0;
    for (const ending of [true, false]) {
      const alike = [...questions.keys()].filter((i) => this.#endsWithText(questions[i]) === ending);
      for (let start = 0; start < alike.length; start += batch) {
        const places = alike.slice(start, start + batch);
        for (const [i, answer] of (
          await this.#together(
            places.map((at) => questions[at]),
            signal,
          )
        ).entries())
          answers[places[i]] = answer;
        done += places.length;
        onProgress?.(done, questions.length);
      }
    }
    return answers;
  }

  async #together(questions: readonly Conversation[], signal?: AbortSignal): Promise<MedMoeAnswer[]> {
    const rows: Tensor[] = [];
    try {
      for (const question of questions) rows.push(await this.embeds(question, signal));
      return await this.#generate(questions, rows, { signal });
    } finally {
      for (const t of rows) t.dispose();
    }
  }

  /** Of questions that end alike. */
  async #generate(
    questions: readonly Conversation[],
    rows: readonly Tensor[],
    { signal, onMixtures }: { signal?: AbortSignal; onMixtures?: LanguageModelOptions["onMixtures"] },
  ): Promise<MedMoeAnswer[]> {
    const { network, tokenizer, settings } = this;
    const { template, maxNewTokens = MAX_NEW_TOKENS, seed = 0 } = settings;
    const model = languageModel(network, { vocabulary: tokenizer.size, onMixtures });
    const stop = this.#endsWithText(questions[0]) ? [template.stop] : [];
    this.device.seed(seed);
    const options = { maxNewTokens, stopIds: [tokenizer.eos], stop, tokenizer, signal };
    const generated = await generate(model, rows, options);
    return generated.map(({ ids, finish }, i) => {
      const said = tokenizer.decode(ids);
      const text = finish === "stop" ? new StopStrings(tokenizer, stop).cut(said) : said;
      const prompt = questionText(questions[i], settings);
      return { id: questions[i].id as string, prompt, text: text.trim(), finish, routing: null };
    });
  }

  /** As published, closed questions end at the template's text, too, and captions do; all end at the end of a text. */
  #endsWithText({ answerType }: Conversation): boolean {
    return answerType === "CLOSED" || this.settings.template.name === "plain";
  }

  /**
   * Log-likelihood of each text as the whole answer, its end included. Question and images are computed once. Rejects with the
   * signal's reason, before the next text.
   */
  async rank(question: Conversation, texts: readonly string[], signal?: AbortSignal): Promise<number[]> {
    const { network, device, settings } = this;
    const answers = texts.map((text) => this.#answerIds(text));
    const { config, embed_tokens } = network.model;
    using prompt = await this.embeds(question, signal);
    const [T, width] = prompt.shape;
    const longest = Math.max(1, ...answers.map((ids) => ids.length));
    const dtype = embed_tokens.weight.dtype as FloatDType;
    using cache = new KeyValueCache(config, { device, batch: 1, capacity: T + longest - 1, dtype });
    device.seed(settings.seed ?? 0);
    using last = noGrad(() =>
      scope(() => {
        const { states } = network.states(reshape(prompt, [1, T, width]), { cache });
        return reshape(slice(states, { dim: 1, start: T - 1, length: 1 }), [1, width]);
      }),
    );
    const found: number[] = [];
    for (const ids of answers) {
      signal?.throwIfAborted();
      using loss = noGrad(() => scope(() => this.#loss(last, ids, cache)));
      found.push(-ids.length * (await loss.item()));
      cache.truncate(T);
    }
    return found;
  }

  /** A text as a whole answer, its end included. */
  #answerIds(text: string): number[] {
    return this.tokenizer.encode(` ${text}${this.settings.template.ends.assistant}`);
  }

  /** Mean cross entropy of `ids` behind the state `last` [1, width]. */
  #loss(last: Tensor, ids: readonly number[], cache: KeyValueCache): Tensor {
    const { network, device, tokenizer } = this;
    const read = Int32Array.from(ids.slice(0, -1));
    const states = [last];
    if (read.length > 0) {
      const embeds = network.model.embed_tokens.forward(tensor(read, { device, shape: [1, read.length] }));
      states.push(reshape(network.states(embeds, { cache }).states, [read.length, last.shape[1]]));
    }
    const logits = network.logits(states.length === 1 ? last : concat(states, 0));
    const length = Math.min(tokenizer.size, logits.shape[1]);
    return crossEntropy(slice(logits, { dim: 1, start: 0, length }), tensor(Int32Array.from(ids), { device }));
  }

  /** First row and number of rows of each image. */
  #imagePlaces(question: Conversation): [number, number][] {
    const { imageRows } = this.network;
    let row = 0;
    const places: [number, number][] = [];
    for (const id of this.ids(question)) {
      if (id === IMAGE_TOKEN) places.push([row, imageRows]);
      row += id === IMAGE_TOKEN ? imageRows : 1;
    }
    return places;
  }
}
