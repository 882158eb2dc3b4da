import { philox, uniform } from "../common/philox.js";
import type { NumberArray } from "../contract.js";
import { NOISES, PRIORITIES, SCORES } from "./codes.js";
import { listPlaces } from "./lists.js";

interface Sizes {
  T: number;
  E: number;
  K: number;
}
interface Choice {
  score: number;
  normalize: number;
  epsilon: number;
  scale: number;
  countFirst: number;
}
type Params = Sizes & Choice;

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const total = (values: Iterable<number>) => {
  let sum = 0;
  for (const v of values) sum += v;
  return sum;
};

/** Positions of the k largest, the largest first, the lowest of equal ones first; -∞ last. */
const largest = (values: readonly number[], k: number): number[] =>
  range(values.length)
    .sort((i, j) => (values[j] === values[i] ? i - j : values[j] - values[i]))
    .slice(0, k);

const isFault = (v: number) => Number.isNaN(v) || v === Number.POSITIVE_INFINITY;
const clean = (v: number) => (isFault(v) ? 0 : v);
const isBlank = (x: readonly number[]) => x.every((v) => v === Number.NEGATIVE_INFINITY);
/** The logits of a token as they count. */
function rowOf(logits: NumberArray, t: number, E: number): number[] {
  const x = Array.from(logits.subarray(t * E, (t + 1) * E), clean);
  return isBlank(x) ? x.map(() => 0) : x;
}

/** Zeros where all of x are -∞. */
function softmax(x: readonly number[]): number[] {
  if (isBlank(x)) return x.map(() => 0);
  const top = Math.max(...x);
  const powers = x.map((v) => Math.exp(v - top));
  const sum = total(powers);
  return powers.map((v) => v / sum);
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** log Σ exp. */
function logSum(x: readonly number[]): number {
  const top = Math.max(...x);
  return top + Math.log(total(x.map((v) => Math.exp(v - top))));
}

/** What sums adds up: a distribution over all experts. Where all sigmoids underflow, softmax is what they tend to. */
function distribution(x: readonly number[], score: number): number[] {
  const sum = score === SCORES.sigmoid ? total(x.map(sigmoid)) : 0;
  return sum === 0 ? softmax(x) : x.map((v) => sigmoid(v) / sum);
}

/** p of the experts chosen, in their order. */
function probabilities(x: readonly number[], chosen: readonly number[], score: number): number[] {
  if (score === SCORES.topKSoftmax) return softmax(chosen.map((e) => x[e]));
  const p = score === SCORES.softmax ? softmax(x) : x.map(sigmoid);
  return chosen.map((e) => p[e]);
}

interface ForwardBuffers {
  logits: NumberArray;
  bias: NumberArray | null;
  noise: NumberArray | null;
  used: NumberArray | null;
  random: NumberArray | null;
  weights: NumberArray;
  lists: NumberArray;
  sums: NumberArray;
  faults: NumberArray;
}
interface ForwardParams extends Sizes, Choice {
  noiseKind: number;
  priority: number;
  capacity: number;
  groups: number;
  topGroups: number;
  sequence: number;
  faultLabel: number;
}

/** -log(-log u) of element (t, e), or what is given in its place. */
function gumbel(b: ForwardBuffers, { E, sequence }: ForwardParams, t: number, e: number): number {
  if (b.noise) return clean(b.noise[t * E + e]);
  return -Math.log(-Math.log(Math.max(uniform(philox(b.random as NumberArray, sequence, t * E + e)), 2 ** -25)));
}

/** By which PRIORITIES.random keeps a choice. */
function lot(b: ForwardBuffers, { T, E, sequence, noiseKind }: ForwardParams, t: number, e: number): number {
  if (b.noise && noiseKind === NOISES.none) return clean(b.noise[t * E + e]);
  return uniform(philox(b.random as NumberArray, sequence, (T + t) * E + e));
}

/** The experts of token t, the first choice first. */
function choose(b: ForwardBuffers, p: ForwardParams, t: number, x: readonly number[]): number[] {
  const { E, K, groups, topGroups, noiseKind } = p;
  const scores = x.map((v, e) => (p.score === SCORES.sigmoid ? sigmoid(v) : v) + (b.bias ? clean(b.bias[e]) : 0));
  const size = E / groups;
  const worth = range(groups).map((g) => {
    const inside = scores.slice(g * size, (g + 1) * size);
    return total(largest(inside, 2).map((i) => inside[i]));
  });
  const open = new Set(largest(worth, topGroups));
  const grouped = scores.map((v, e) => (open.has(Math.floor(e / size)) ? v : Number.NEGATIVE_INFINITY));
  const noisy = noiseKind === NOISES.none ? grouped : grouped.map((v, e) => v + gumbel(b, p, t, e));
  if (noiseKind !== NOISES.gumbelAfterFirst) return pick(noisy, K, []);
  const first = pick(grouped, 1, []);
  return [...first, ...pick(noisy, K - 1, first)];
}

/** The k largest besides those taken. */
const pick = (scores: readonly number[], k: number, taken: readonly number[]): number[] =>
  largest(scores, scores.length)
    .filter((e) => !taken.includes(e))
    .slice(0, k);

export function forward(b: ForwardBuffers, p: ForwardParams): void {
  const { T, E, K } = p;
  const places = listPlaces(E, T * K);
  const { counts, order, position, experts } = places;
  b.lists.fill(0, 0, places.length);
  b.lists.fill(-1, order, experts); // order and position
  b.sums.fill(0, 0, E + 2);

  reportFaults(b, p);
  for (let t = 0; t < T; t++) {
    const x = rowOf(b.logits, t, E);
    choose(b, p, t, x).forEach((e, k) => {
      b.lists[experts + t * K + k] = e;
      if ((!b.used || b.used[t]) && (k === 0 || !p.countFirst)) b.lists[counts + e]++;
    });
    distribution(x, p.score).forEach((v, e) => {
      b.sums[e] += v;
    });
    b.sums[E + 1] += logSum(x) ** 2 / T;
  }
  if (T) for (let e = 0; e < E; e++) b.sums[E] += E * (b.lists[counts + e] / T) * (b.sums[e] / T);

  group(b, p);
  for (let t = 0; t < T; t++) {
    const choices = range(K).map((k) => t * K + k);
    const chosen = choices.map((i) => b.lists[experts + i]);
    const weights = probabilities(rowOf(b.logits, t, E), chosen, p.score).map((v, k) =>
      b.lists[position + choices[k]] < 0 ? 0 : v,
    );
    const divisor = p.normalize ? Math.max(total(weights), p.epsilon) : 1;
    weights.forEach((v, k) => {
      b.weights[choices[k]] = (p.scale * v) / divisor;
    });
  }
}

/** The first of what is NaN or +∞ in bias, logits or noise, and of the tokens whose logits are all -∞. */
function reportFaults({ logits, bias, noise, faults }: ForwardBuffers, { T, E, faultLabel }: ForwardParams): void {
  const at = (position: number) => {
    if (faults[0] === 0) faults.set([2, faultLabel, position, 0]);
  };
  if (T > 0) for (let e = 0; e < E; e++) if (bias && isFault(bias[e])) at(e);
  for (let t = 0; t < T; t++) {
    if (isBlank(Array.from(logits.subarray(t * E, (t + 1) * E)))) at(t * E);
    for (let i = t * E; i < (t + 1) * E; i++) if (isFault(logits[i]) || (noise && isFault(noise[i]))) at(i);
  }
}

/** Offsets, order and position from the experts chosen. */
function group(b: ForwardBuffers, p: ForwardParams): void {
  const { T, E, K } = p;
  const { offsets, order, position, experts } = listPlaces(E, T * K);
  const rank = (choice: number) =>
    p.priority === PRIORITIES.choice ? (choice % K) * T + Math.floor(choice / K) : choice;
  const queues: number[][] = range(E).map(() => []);
  for (let choice = 0; choice < T * K; choice++)
    if (!b.used || b.used[Math.floor(choice / K)]) queues[b.lists[experts + choice]].push(choice);
  let row = 0;
  queues.forEach((queue, e) => {
    const lots =
      p.priority === PRIORITIES.random && queue.length > p.capacity
        ? new Map(queue.map((choice) => [choice, lot(b, p, Math.floor(choice / K), e)]))
        : null;
    const byRank = queue.sort((i, j) => rank(i) - rank(j));
    const byPriority = lots
      ? [...byRank].sort((i, j) => (lots.get(j) as number) - (lots.get(i) as number) || i - j)
      : byRank;
    const kept = new Set(byPriority.slice(0, p.capacity));
    b.lists[offsets + e] = row;
    for (const choice of byRank) {
      if (!kept.has(choice)) continue;
      b.lists[order + row] = choice;
      b.lists[position + choice] = row++;
    }
  });
  b.lists[offsets + E] = row;
}

/** Of y = softmax(x) from dy. */
function softmaxGradient(y: readonly number[], dy: readonly number[]): number[] {
  const inner = total(y.map((v, i) => v * dy[i]));
  return y.map((v, i) => v * (dy[i] - inner));
}

export function backward(
  b: {
    logits: NumberArray;
    lists: NumberArray;
    sums: NumberArray;
    dweights: NumberArray | null;
    dsums: NumberArray | null;
    dlogits: NumberArray;
  },
  p: Params,
): void {
  const { T, E, K } = p;
  const { counts, position, experts } = listPlaces(E, T * K);
  const { dweights, dsums } = b;
  for (let t = 0; t < T; t++) {
    const x = rowOf(b.logits, t, E);
    const dx = new Array<number>(E).fill(0);
    const add = (values: readonly number[]) =>
      values.forEach((v, e) => {
        dx[e] += v;
      });
    if (dweights) {
      const choices = range(K).map((k) => t * K + k);
      const chosen = choices.map((i) => b.lists[experts + i]);
      const kept = choices.map((i) => b.lists[position + i] >= 0);
      const probability = probabilities(x, chosen, p.score);
      const weights = probability.map((v, k) => (kept[k] ? v : 0));
      const sum = total(weights);
      const divisor = p.normalize ? Math.max(sum, p.epsilon) : 1;
      // Where the divisor is epsilon it is constant.
      const inner = p.normalize && sum > p.epsilon ? total(weights.map((v, k) => v * dweights[choices[k]])) / sum : 0;
      const dp = kept.map((is, k) => (is ? (p.scale * (dweights[choices[k]] - inner)) / divisor : 0));
      add(scoreGradient(x, chosen, probability, dp, p.score));
    }
    if (dsums) {
      const d = range(E).map((e) => dsums[e] + (dsums[E] * E * b.lists[counts + e]) / (T * T));
      add(distributionGradient(x, d, p.score));
      const z = (2 * dsums[E + 1] * logSum(x)) / T;
      add(softmax(x).map((v) => z * v));
    }
    dx.forEach((v, e) => {
      b.dlogits[t * E + e] = v;
    });
  }
}

/** Gradient to all logits from those of the probabilities of the chosen experts. */
function scoreGradient(
  x: readonly number[],
  chosen: readonly number[],
  probability: readonly number[],
  dp: readonly number[],
  score: number,
): number[] {
  const spread = (values: readonly number[]) => {
    const out = new Array<number>(x.length).fill(0);
    chosen.forEach((e, k) => {
      out[e] = values[k];
    });
    return out;
  };
  if (score === SCORES.topKSoftmax) return spread(softmaxGradient(probability, dp));
  if (score === SCORES.softmax) return softmaxGradient(softmax(x), spread(dp));
  return spread(probability.map((v, k) => v * (1 - v) * dp[k]));
}

function distributionGradient(x: readonly number[], d: readonly number[], score: number): number[] {
  if (score !== SCORES.sigmoid) return softmaxGradient(softmax(x), d);
  const p = x.map(sigmoid);
  const sum = total(p);
  if (sum === 0) return softmaxGradient(softmax(x), d);
  const inner = total(p.map((v, e) => (v * d[e]) / sum));
  return p.map((v, e) => (v * (1 - v) * (d[e] - inner)) / sum);
}
