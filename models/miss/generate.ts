import {
  type Device,
  logSoftmax,
  noGrad,
  repeatInterleave,
  reshape,
  scope,
  slice,
  type Tensor,
  tensor,
  topK,
} from "../../engine/index.js";
import { type BeamResult, beamSearch, type Candidates } from "./beam-search.js";
import type { MissNetwork } from "./network.js";

export interface GenerateOptions {
  /** 3 in the published scripts; 1 is greedy. */
  beams?: number;
  /** Counts the start token and the prompt; 10 in the published scripts. */
  maxLength?: number;
  /** Counted alike; nothing ends before. Default 0. */
  minLength?: number;
  /** Ids behind the start token that every answer begins with. */
  prompt?: readonly number[];
  /**
   * Hides padded question positions from the decoder, as in training. The published pipeline shows them, so its answers
   * depend on what else is in the batch. Default false: as published.
   */
  maskQuestionPads?: boolean;
  signal?: AbortSignal;
}

/**
 * Answers of a batch from its question states [B, Lq, hidden] and question mask [B, Lq]; captions from image states, which
 * have no mask.
 */
export async function generate(
  network: MissNetwork,
  question: Tensor,
  questionMask: Tensor | null,
  options: GenerateOptions = {},
): Promise<BeamResult> {
  const { beams = 3, maxLength = 10, minLength, prompt = [], maskQuestionPads = false, signal } = options;
  const { dec, sep: eos, pad } = network.config;
  const { device } = question;
  const count = question.shape[0];
  const context = noGrad(() => scope(() => beamContext(question, questionMask, { beams, maskQuestionPads })));
  const next = async (rows: readonly (readonly number[])[]): Promise<Candidates[]> => {
    const { values: logProbs, indices: ids } = noGrad(() =>
      scope(() => nextTokens(network, idTensor(device, rows), context, beams)),
    );
    const [p, i] = await Promise.all([logProbs.data(), ids.data()]);
    logProbs.dispose();
    ids.dispose();
    const width = 2 * beams;
    return rows.map((_, r) => ({
      logProbs: p.subarray(r * width, (r + 1) * width),
      ids: i.subarray(r * width, (r + 1) * width),
    }));
  };
  try {
    return await beamSearch(count, { beams, maxLength, minLength, start: [dec, ...prompt], eos, pad }, next, signal);
  } finally {
    context.cross.dispose();
    context.crossMask?.dispose();
  }
}

/** What the sequences of all beams read of their questions. */
export function beamContext(
  question: Tensor,
  questionMask: Tensor | null,
  { beams, maskQuestionPads }: { readonly beams: number; readonly maskQuestionPads: boolean },
) {
  return {
    cross: repeatInterleave(question, beams, 0),
    crossMask: maskQuestionPads && questionMask ? repeatInterleave(questionMask, beams, 0) : null,
  };
}

/** The most likely tokens after each row of `ids`, twice as many as beams: log-probabilities and ids. */
export function nextTokens(
  network: MissNetwork,
  ids: Tensor,
  context: ReturnType<typeof beamContext>,
  beams: number,
): { values: Tensor; indices: Tensor } {
  const states = network.text_decoder.states(ids, { mask: null, ...context });
  const [B, L, C] = states.shape;
  const last = reshape(slice(states, { dim: 1, start: L - 1, length: 1 }), [B, C]);
  return topK(logSoftmax(network.text_decoder.logits(last)), 2 * beams);
}

export function idTensor(device: Device, rows: readonly ArrayLike<number>[]): Tensor {
  const width = rows[0].length;
  const values = new Int32Array(rows.length * width);
  for (const [r, row] of rows.entries()) values.set(row, r * width);
  return tensor(values, { device, shape: [rows.length, width], dtype: "i32" });
}
