import { indexSelect, noGrad, repeatInterleave, reshape, scope, softmax, type Tensor, tensor } from "../../engine/index.js";
import { idTensor } from "./generate.js";
import { IGNORE, type MissNetwork } from "./network.js";

/** Candidate answers, tokenised together: ids and mask padded to the longest, [DEC] first. */
export interface AnswerList {
  readonly ids: readonly Int32Array[];
  readonly mask: readonly Int32Array[];
}

export interface Ranking {
  /** Probability of each candidate's first token, per question: [B][candidates]. */
  readonly firstTokenProbs: Float32Array[];
  /** The k candidates that were scored, best first token first. */
  readonly topK: Int32Array[];
  /** Their scores: minus the summed label-smoothed loss. */
  readonly scores: Float32Array[];
  /** Index of the best candidate, per question. */
  readonly best: number[];
}

/**
 * Scores a closed list of answers (section 3.2 of the specification): the k candidates with the most probable first token
 * are run through the decoder; label smoothing stays on. Ties for a place among the k go to the earlier candidate.
 */
export async function rank(
  network: MissNetwork,
  question: Tensor,
  questionMask: Tensor,
  answers: AnswerList,
  k: number,
): Promise<Ranking> {
  const { device } = question;
  const { dec, pad } = network.config;
  const count = question.shape[0];
  if (k < 1 || k > answers.ids.length)
    throw new RangeError(`rank: k is ${k}, but there are ${answers.ids.length} candidates. Use 1 to ${answers.ids.length}.`);

  const probs = noGrad(() =>
    scope(() => {
      const start = tensor(new Int32Array(count).fill(dec), { device, shape: [count, 1], dtype: "i32" });
      const states = network.text_decoder.states(start, { mask: null, cross: question, crossMask: questionMask });
      const p = softmax(network.text_decoder.logits(reshape(states, [count, states.shape[2]])));
      const firsts = tensor(Int32Array.from(answers.ids, (row) => row[1]), { device, dtype: "i32" });
      return indexSelect(p, 1, firsts);
    }),
  );
  const flat = (await probs.data()) as Float32Array;
  probs.dispose();
  const firstTokenProbs = Array.from({ length: count }, (_, b) =>
    Float32Array.from(flat.subarray(b * answers.ids.length, (b + 1) * answers.ids.length)),
  );
  const topK = firstTokenProbs.map((p) =>
    Int32Array.from(
      Array.from(p.keys())
        .sort((i, j) => p[j] - p[i] || i - j)
        .slice(0, k),
    ),
  );

  const chosen = topK.flatMap((row) => Array.from(row));
  const rows = chosen.map((i) => answers.ids[i]);
  const targets = rows.map((row) => Int32Array.from(row.subarray(1), (id) => (id === pad ? IGNORE : id)));
  const losses = noGrad(() =>
    scope(() =>
      network.answerLoss(
        repeatInterleave(question, k, 0),
        repeatInterleave(questionMask, k, 0),
        idTensor(device, rows),
        idTensor(device, chosen.map((i) => answers.mask[i])),
        idTensor(device, targets),
      ),
    ),
  );
  const perToken = (await losses.data()) as Float32Array;
  losses.dispose();
  const width = targets[0].length;
  const scores = topK.map((row, b) =>
    Float32Array.from(row, (_, j) => {
      const at = (b * k + j) * width;
      return -perToken.subarray(at, at + width).reduce((sum, x) => sum + x, 0);
    }),
  );
  const best = scores.map((row, b) => topK[b][row.indexOf(Math.max(...row))]);
  return { firstTokenProbs, topK, scores, best };
}
