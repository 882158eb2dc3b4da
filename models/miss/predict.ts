import { concat, type Device, noGrad, scope, type Tensor, tensor } from "../../engine/index.js";
import type { ImageStore } from "../data/image-store.js";
import type { VqaRecord } from "../data/record.js";
import { checkAnswering, checkList } from "./answer-length.js";
import { imageTensor, tokenTensors } from "./batch.js";
import { beamContext, generate, idTensor, nextTokens } from "./generate.js";
import type { MissNetwork } from "./network.js";
import { type AnswerList, rank, walkRank } from "./rank.js";
import type { MissTokenizer, TokenBatch } from "./tokenizer.js";

/** How answers are found: written freely by beam search, or chosen from a closed list. */
export type Answering =
  | {
      /** Beam search. */
      readonly method: "generate";
      /** Its width. */
      readonly beams: number;
      /** Tokens of an answer at most. */
      readonly maxLength: number;
      /** Before it has so many, none ends. */
      readonly minLength?: number;
      /** Hides the question's padding from the decoder; the published code lets it see. */
      readonly maskQuestionPads: boolean;
    }
  | {
      /** The likeliest of a list. */
      readonly method: "rank";
      /** The list. */
      readonly answers: readonly string[];
      /** Candidates that are scored in full: the likeliest by their first token. */
      readonly k: number;
      /** Hides the question's padding from the decoder; the published code lets it see. */
      readonly maskQuestionPads: boolean;
    };

/** An answer. */
export interface Prediction {
  /** Its text. */
  readonly answer: string;
  /**
   * generate: exp of the mean log-probability per token, the score of the beam rules. rank: the share of the answer among
   * the candidates that were scored. Between 0 and 1; not calibrated.
   */
  readonly probability: number;
}

export interface PredictOptions {
  /** Questions that are padded together: as far as the decoder sees padding, it decides the answers. */
  readonly batch: number;
  /** How many of them are computed at a time; all where absent. The fewer, the less memory. */
  readonly atATime?: number;
  readonly answering: Answering;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/** Values of a vision layer at a time, one image at least: a stop waits for no more than their encoding. */
const VISION_VALUES = 2 ** 20;

/** Answers every record. The network should be in `eval()` mode. */
export async function predict(
  network: MissNetwork,
  tokenizer: MissTokenizer,
  images: ImageStore,
  records: readonly VqaRecord[],
  { batch, atATime = batch, answering, signal, onProgress }: PredictOptions,
): Promise<Prediction[]> {
  const device = [...network.parameters()][0].device;
  const virtualTokens = network.text_decoder.prompt_encoder?.tokens ?? 0;
  checkAnswering(network.config, answering, virtualTokens);
  const list = answering.method === "rank" ? answerList(tokenizer, answering.answers) : null;
  if (list) checkList(network.config, Math.max(0, ...list.ids.map(({ length }) => length)), virtualTokens);
  const found: Prediction[] = [];
  for (let start = 0; start < records.length; start += batch) {
    const padded = records.slice(start, start + batch);
    const tokens = tokenizer.encodeQuestions(padded.map(({ question }) => question));
    for (let first = 0; first < padded.length; first += atATime) {
      signal?.throwIfAborted();
      const rows = padded.slice(first, first + atATime);
      const own = tokenRows(tokens, first, rows.length);
      const { states, mask } = await questionStates(device, network, own, images, rows, signal);
      try {
        found.push(...(await answer(network, tokenizer, states, mask, answering, list, signal)));
      } finally {
        states.dispose();
        mask.dispose();
      }
      onProgress?.(found.length, records.length);
    }
  }
  return found;
}

/** Some rows of a batch, as long as all of it. */
const tokenRows = ({ ids, mask, T }: TokenBatch, first: number, count: number) => {
  const some = (values: Int32Array) => values.subarray(first * T, (first + count) * T);
  return { ids: some(ids), mask: some(mask), B: count, T };
};

async function questionStates(
  device: Device,
  network: MissNetwork,
  tokens: Omit<TokenBatch, "lengths">,
  images: ImageStore,
  rows: readonly VqaRecord[],
  signal?: AbortSignal,
): Promise<{ states: Tensor; mask: Tensor }> {
  const { imageSize, patch, visionWidth } = network.config;
  const count = Math.max(1, Math.floor(VISION_VALUES / ((imageSize / patch) ** 2 * visionWidth)));
  const parts: Tensor[] = [];
  try {
    for (let start = 0; start < rows.length; start += count) {
      signal?.throwIfAborted();
      const some = rows.slice(start, start + count);
      parts.push(noGrad(() => scope(() => network.visual_encoder.forward(imageTensor(device, images, some)))));
      await device.finish();
    }
    return noGrad(() =>
      scope(() => {
        const { ids, mask } = tokenTensors(device, tokens);
        return { states: network.encode(concat(parts, 0), ids, mask), mask };
      }),
    );
  } finally {
    for (const part of parts) part.dispose();
  }
}

async function answer(
  network: MissNetwork,
  tokenizer: MissTokenizer,
  states: Tensor,
  mask: Tensor,
  answering: Answering,
  list: AnswerList | null,
  signal?: AbortSignal,
): Promise<Prediction[]> {
  if (answering.method === "rank" && list) {
    const { best, scores, topK } = await rank(network, states, mask, list, {
      k: Math.min(answering.k, list.ids.length),
      signal,
    });
    return best.map((index, b) => {
      const chosen = scores[b][topK[b].indexOf(index)];
      const total = scores[b].reduce((sum, s) => sum + Math.exp(s - chosen), 0);
      return { answer: answering.answers[index], probability: 1 / total };
    });
  }
  if (answering.method !== "generate") throw new Error("unreachable");
  const { ids, scores } = await generate(network, states, mask, { ...answering, signal });
  return ids.map((row, i) => ({ answer: tokenizer.decode(row), probability: Math.exp(scores[i]) }));
}

/** What answering one question launches, with values of no account: for a warm-up. */
export function walkAnswer(network: MissNetwork, tokenizer: MissTokenizer, answering: Answering): void {
  const device = [...network.parameters()][0].device;
  const { imageSize, pad } = network.config;
  noGrad(() => {
    const pixels = tensor(new Float32Array(3 * imageSize ** 2), { device, shape: [1, 3, imageSize, imageSize] });
    const image = concat([network.visual_encoder.forward(pixels)], 0);
    const { ids, mask } = tokenTensors(device, tokenizer.encodeQuestions(["What does this image show?"]));
    const states = network.encode(image, ids, mask);
    if (answering.method === "rank") {
      const list = answerList(tokenizer, answering.answers);
      walkRank(network, states, mask, list, Math.min(answering.k, list.ids.length));
      return;
    }
    const { beams, maxLength } = answering;
    const context = beamContext(states, mask, answering);
    for (let length = 1; length < maxLength; length++) {
      const rows = Array.from({ length: beams }, () => new Int32Array(length).fill(pad));
      nextTokens(network, idTensor(device, rows), context, beams);
    }
  });
}

/** Rows of a padded batch as separate arrays. */
export function answerList(tokenizer: MissTokenizer, answers: readonly string[]): AnswerList {
  const tokens = tokenizer.encodeAnswers(answers);
  return { ids: rowsOf(tokens, tokens.ids), mask: rowsOf(tokens, tokens.mask) };
}

const rowsOf = ({ B, T }: TokenBatch, values: Int32Array) =>
  Array.from({ length: B }, (_, b) => values.subarray(b * T, (b + 1) * T));
