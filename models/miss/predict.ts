import { type Device, noGrad, scope, type Tensor } from "../../engine/index.js";
import type { ImageStore } from "../data/image-store.js";
import type { VqaRecord } from "../data/record.js";
import { imageTensor, tokenTensors } from "./batch.js";
import { generate } from "./generate.js";
import type { MissNetwork } from "./network.js";
import { type AnswerList, rank } from "./rank.js";
import type { MissTokenizer, TokenBatch } from "./tokenizer.js";

/** How answers are found: written freely by beam search, or chosen from a closed list. */
export type Answering =
  | {
      readonly method: "generate";
      readonly beams: number;
      readonly maxLength: number;
      readonly maskQuestionPads: boolean;
    }
  | {
      readonly method: "rank";
      readonly answers: readonly string[];
      readonly k: number;
      readonly maskQuestionPads: boolean;
    };

export interface Prediction {
  readonly answer: string;
  /**
   * generate: exp of the mean log-probability per token, the score of the beam rules. rank: the share of the answer among
   * the candidates that were scored. Between 0 and 1; not calibrated.
   */
  readonly probability: number;
}

export interface PredictOptions {
  readonly batch: number;
  readonly answering: Answering;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/** Answers every record. The network should be in `eval()` mode. */
export async function predict(
  network: MissNetwork,
  tokenizer: MissTokenizer,
  images: ImageStore,
  records: readonly VqaRecord[],
  { batch, answering, signal, onProgress }: PredictOptions,
): Promise<Prediction[]> {
  const device = [...network.parameters()][0].device;
  const list = answering.method === "rank" ? answerList(tokenizer, answering.answers) : null;
  const found: Prediction[] = [];
  for (let start = 0; start < records.length; start += batch) {
    signal?.throwIfAborted();
    const rows = records.slice(start, start + batch);
    const { states, mask } = questionStates(device, network, tokenizer, images, rows);
    try {
      found.push(...(await answer(network, tokenizer, states, mask, answering, list, signal)));
    } finally {
      states.dispose();
      mask.dispose();
    }
    onProgress?.(found.length, records.length);
  }
  return found;
}

function questionStates(
  device: Device,
  network: MissNetwork,
  tokenizer: MissTokenizer,
  images: ImageStore,
  rows: readonly VqaRecord[],
): { states: Tensor; mask: Tensor } {
  const tokens = tokenizer.encodeQuestions(rows.map((r) => r.question));
  return noGrad(() =>
    scope(() => {
      const { ids, mask } = tokenTensors(device, tokens);
      const image = network.visual_encoder.forward(imageTensor(device, images, rows));
      return { states: network.encode(image, ids, mask), mask };
    }),
  );
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
    const { best, scores, topK } = await rank(network, states, mask, list, Math.min(answering.k, list.ids.length));
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

/** Rows of a padded batch as separate arrays. */
export function answerList(tokenizer: MissTokenizer, answers: readonly string[]): AnswerList {
  const tokens = tokenizer.encodeAnswers(answers);
  return { ids: rowsOf(tokens, tokens.ids), mask: rowsOf(tokens, tokens.mask) };
}

const rowsOf = ({ B, T }: TokenBatch, values: Int32Array) =>
  Array.from({ length: B }, (_, b) => values.subarray(b * T, (b + 1) * T));
