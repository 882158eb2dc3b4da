import { indexSelect, noGrad, reshape, scope, softmax, type Tensor, tensor } from "../../engine/index.js";
import { idTensor } from "./generate.js";
import type { MissNetwork } from "./network.js";
import { shiftTargets } from "./targets.js";

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

export interface RankOptions {
  /** Candidates of each question that are scored in full; 128 in the published settings. */
  readonly k: number;
  readonly signal?: AbortSignal;
}

/** Logits of the pairs that are scored at a time: 8 MB, and under a second of the published model on two busy cores. */
const LOGITS = 2 ** 21;

/**
 * Scores a closed list of answers (section 3.2 of the specification): the k candidates with the most probable first token
 * are run through the decoder; label smoothing stays on. Ties for a place among the k go to the earlier candidate.
 */
export async function rank(
  network: MissNetwork,
  question: Tensor,
  questionMask: Tensor,
  answers: AnswerList,
  { k, signal }: RankOptions,
): Promise<Ranking> {
  const count = question.shape[0];
  if (k < 1 || k > answers.ids.length)
    throw new RangeError(
      `rank: k is ${k}, but there are ${answers.ids.length} candidates. Use 1 to ${answers.ids.length}.`,
    );

  const probs = noGrad(() => scope(() => firstTokens(network, question, questionMask, answers)));
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

  const scores = topK.map((row) => new Float32Array(row.length));
  for (const pairs of parts(topK, answers, network.config.vocab)) {
    signal?.throwIfAborted();
    const losses = await pairLosses(network, question, questionMask, answers, pairs);
    pairs.forEach(({ b, j }, i) => {
      scores[b][j] = -losses[i];
    });
  }
  const best = scores.map((row, b) => topK[b][row.indexOf(Math.max(...row))]);
  return { firstTokenProbs, topK, scores, best };
}

/** Probability of each candidate's first token, [B, candidates]. */
function firstTokens(network: MissNetwork, question: Tensor, questionMask: Tensor, answers: AnswerList): Tensor {
  const { device } = question;
  const count = question.shape[0];
  const start = tensor(new Int32Array(count).fill(network.config.dec), { device, shape: [count, 1], dtype: "i32" });
  const states = network.text_decoder.states(start, { mask: null, cross: question, crossMask: questionMask });
  const p = softmax(network.text_decoder.logits(reshape(states, [count, states.shape[2]])));
  const firsts = tensor(
    Int32Array.from(answers.ids, (row) => row[1]),
    { device, dtype: "i32" },
  );
  return indexSelect(p, 1, firsts);
}

/** What ranking the first k candidates launches: for a warm-up. */
export function walkRank(
  network: MissNetwork,
  question: Tensor,
  questionMask: Tensor,
  answers: AnswerList,
  k: number,
): void {
  firstTokens(network, question, questionMask, answers);
  const first = Int32Array.from({ length: k }, (_, i) => i);
  for (const pairs of parts([first], answers, network.config.vocab))
    tokenLosses(network, question, questionMask, answers, pairs);
}

/** Candidate `candidate` of question `b`, the j-th of its k. */
interface Pair {
  readonly b: number;
  readonly j: number;
  readonly candidate: number;
}

/**
 * The pairs to score, short answers apart from long ones: padding costs time and changes nothing. One answer of thirty
 * words would otherwise make every "yes" as long.
 */
function byLength(topK: readonly Int32Array[], answers: AnswerList): Pair[][] {
  const groups = new Map<number, Pair[]>();
  topK.forEach((row, b) => {
    row.forEach((candidate, j) => {
      const key = Math.ceil(Math.log2(lengthOf(answers.mask[candidate])));
      const group = groups.get(key);
      if (group) group.push({ b, j, candidate });
      else groups.set(key, [{ b, j, candidate }]);
    });
  });
  return [...groups.values()];
}

/** All pairs, in the parts that are scored together. */
const parts = (topK: readonly Int32Array[], answers: AnswerList, vocab: number): Pair[][] =>
  byLength(topK, answers).flatMap((group) => chunks(group, answers, vocab));

const lengthOf = (mask: Int32Array) => mask.reduce((sum, m) => sum + m, 0);

/** A group in parts of at most LOGITS logits each, at least one pair. */
function chunks(pairs: readonly Pair[], answers: AnswerList, vocab: number): Pair[][] {
  const longest = longestOf(pairs, answers);
  const size = Math.max(1, Math.floor(LOGITS / ((longest - 1) * vocab)));
  return Array.from({ length: Math.ceil(pairs.length / size) }, (_, i) => pairs.slice(i * size, (i + 1) * size));
}

const longestOf = (pairs: readonly Pair[], answers: AnswerList) =>
  pairs.reduce((longest, { candidate }) => Math.max(longest, lengthOf(answers.mask[candidate])), 0);

/** Summed label-smoothed loss of each pair. */
async function pairLosses(
  network: MissNetwork,
  question: Tensor,
  questionMask: Tensor,
  answers: AnswerList,
  pairs: readonly Pair[],
): Promise<number[]> {
  const losses = noGrad(() => scope(() => tokenLosses(network, question, questionMask, answers, pairs)));
  const perToken = (await losses.data()) as Float32Array;
  const [, width] = losses.shape;
  losses.dispose();
  return pairs.map((_, i) => perToken.subarray(i * width, (i + 1) * width).reduce((sum, x) => sum + x, 0));
}

/** Label-smoothed loss of each token of each pair, padded to the longest. */
function tokenLosses(
  network: MissNetwork,
  question: Tensor,
  questionMask: Tensor,
  answers: AnswerList,
  pairs: readonly Pair[],
): Tensor {
  const { device } = question;
  const { pad } = network.config;
  const longest = longestOf(pairs, answers);
  const ids = pairs.map(({ candidate }) => answers.ids[candidate].subarray(0, longest));
  const masks = pairs.map(({ candidate }) => answers.mask[candidate].subarray(0, longest));
  const targets = ids.map((row) => shiftTargets(row, 1, longest, pad));
  const rows = tensor(
    Int32Array.from(pairs, ({ b }) => b),
    { device },
  );
  return network.answerLoss(
    indexSelect(question, 0, rows),
    indexSelect(questionMask, 0, rows),
    idTensor(device, ids),
    idTensor(device, masks),
    idTensor(device, targets),
  );
}
