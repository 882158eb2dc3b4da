import { largestExperts, rowsByExpert, weightsOf } from "../rows-by-expert.js";
import type { Loop } from "./loop.js";
import { biased, product } from "./product.js";

/** In place, along the last of [rows, width]. */
function softmax(values: Float32Array, width: number): Float32Array {
  for (let at = 0; at < values.length; at += width) {
    const row = values.subarray(at, at + width);
    let largest = Number.NEGATIVE_INFINITY;
    for (const value of row) largest = Math.max(largest, value);
    let sum = 0;
    for (let i = 0; i < width; i++) {
      row[i] = Math.exp(row[i] - largest);
      sum += row[i];
    }
    for (let i = 0; i < width; i++) row[i] /= sum;
  }
  return values;
}

const silu = (x: number) => x / (1 + Math.exp(-x));

/** The forward of a layer: router, the lists of rows, each expert's products, its shares added up. */
export const mixtureOfExperts: Loop = ({ options, trained }, { x, router, routerBias, up, down }) => {
  if (trained.length > 0) return "plain loops have no backward of a mixture";
  const K = options.topK as number;
  const [T, H] = x.shape;
  const [E, twoF] = up.shape;
  const F = twoF / 2;
  return () => {
    const logits = biased(T, E, routerBias?.values);
    product({ a: x.values, M: T, K: H, N: E, b: router.values, transposed: true, c: logits });
    const p = { shape: [T, E], values: softmax(logits, E) };
    const chosen = largestExperts(p, K);
    const weights = weightsOf(p, chosen);
    const { rows, back } = rowsByExpert(chosen, E);
    const results = new Float32Array(T * K * H);
    let first = 0;
    for (const [e, own] of rows.entries()) {
      const M = own.length;
      const pre = new Float32Array(M * twoF);
      const upOwn = up.values.subarray(e * twoF * H, (e + 1) * twoF * H);
      product({ a: x.values, rows: own, M, K: H, N: twoF, b: upOwn, transposed: true, c: pre });
      const hidden = new Float32Array(M * F);
      for (let m = 0; m < M; m++)
        for (let f = 0; f < F; f++) hidden[m * F + f] = silu(pre[m * twoF + f]) * pre[m * twoF + F + f];
      const downOwn = down.values.subarray(e * H * F, (e + 1) * H * F);
      const c = results.subarray(first * H, (first + M) * H);
      product({ a: hidden, M, K: F, N: H, b: downOwn, transposed: true, c });
      first += M;
    }
    const y = new Float32Array(T * H);
    for (let choice = 0; choice < T * K; choice++) {
      const [to, from] = [Math.floor(choice / K) * H, back[choice] * H];
      for (let h = 0; h < H; h++) y[to + h] += weights[choice] * results[from + h];
    }
    return { y };
  };
};

/** Lists as `topKRouting` makes them: offsets [E + 1], counts [E], order [TK]. */
export const groupedGemm: Loop = ({ options, trained }, { x, weight, bias, lists }) => {
  if (trained.length > 0) return "plain loops have no backward of a grouped product";
  const { gather = null, transposed = true } = options as { gather?: number | null; transposed?: boolean };
  const [E] = weight.shape;
  const [T, K] = x.shape;
  const [N] = transposed ? weight.shape.slice(1) : weight.shape.slice(2);
  const offsets = lists.values.subarray(0, E + 1);
  const order = lists.values.subarray(2 * E + 1);
  const R = T * (gather ?? 1);
  return () => {
    const y = new Float32Array(R * N);
    for (let e = 0; e < E; e++) {
      const [from, to] = [offsets[e], offsets[e + 1]];
      const rows = Int32Array.from({ length: to - from }, (_, i) =>
        gather === null ? from + i : Math.floor(order[from + i] / gather),
      );
      const c = y.subarray(from * N, to * N);
      if (bias) c.set(biased(to - from, N, bias.values.subarray(e * N, (e + 1) * N)));
      const b = weight.values.subarray(e * N * K, (e + 1) * N * K);
      product({ a: x.values, rows, M: to - from, K, N, b, transposed, c });
    }
    return { y };
  };
};

export const topKRouting: Loop = ({ options, trained }, { logits, bias }) => {
  if (trained.length > 0) return "plain loops have no backward of routing";
  const {
    topK,
    normalize = false,
    score = "softmax",
    scale = 1,
    groups,
    capacity,
    noise,
  } = options as unknown as Routing;
  if (groups || capacity || noise || bias || (score !== "softmax" && score !== "topKSoftmax"))
    return "plain loops have softmax routing without groups only";
  const [T, E] = logits.shape;
  return () => {
    const p = { shape: [T, E], values: softmax(logits.values.slice(), E) };
    const chosen = largestExperts(p, topK);
    rowsByExpert(chosen, E);
    // Over those chosen, a softmax is the share of what they have of all.
    const shared = normalize || score === "topKSoftmax";
    const weights = shared
      ? weightsOf(p, chosen)
      : Float32Array.from(chosen.values, (e, i) => p.values[Math.floor(i / topK) * E + e]);
    return { y: weights.map((weight) => scale * weight) };
  };
};

/** The options of `topKRouting` that decide what these loops can do. */
interface Routing {
  readonly topK: number;
  readonly normalize?: boolean;
  readonly score?: string;
  readonly scale?: number;
  readonly groups?: number;
  readonly capacity?: number | null;
  readonly noise?: string;
}
