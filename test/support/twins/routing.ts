import {
  add,
  concat,
  div,
  exp,
  gather,
  log,
  max,
  maximum,
  mean,
  mul,
  type RoutingOptions,
  reshape,
  scale,
  sigmoid,
  softmax,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../../../engine/index.js";
import { type Host, type Inputs, type Options, rows } from "./twin.js";

/** σ / Σ σ of a row; softmax, which that tends to, where all σ are 0 even in float64. */
function shares(logits: Tensor, sigmoids: Tensor, host: Host): Tensor {
  const [T, E] = logits.shape;
  const { values } = host.logits;
  const none = Array.from({ length: T }, (_, t) =>
    Array.from({ length: E }, (_, e) => Math.exp(values[t * E + e])).every((p) => p === 0) ? 1 : 0,
  );
  const mask = tensor(Float32Array.from(none), { device: logits.device, shape: [T, 1] });
  return add(div(sigmoids, add(sum(sigmoids, rows), mask)), mul(softmax(logits), mask));
}

/** The choice is made on the host, from the formula; those of cases with capacities, groups and noise are not. */
export function topKRouting({ logits }: Inputs, options: Options, host: Host): readonly Tensor[] {
  const {
    topK: K,
    score = "softmax",
    normalize,
    epsilon = 2 ** -23,
    scale: factor = 1,
    countFirst,
  } = options as unknown as RoutingOptions;
  const { device } = logits;
  const [T, E] = logits.shape;
  const bias = host.bias?.values;
  const chosen = Array.from({ length: T }, (_, t) => {
    const key = (e: number) => {
      const x = host.logits.values[t * E + e];
      return (score === "sigmoid" ? 1 / (1 + Math.exp(-x)) : x) + (bias ? bias[e] : 0);
    };
    return Array.from({ length: E }, (_, e) => e)
      .sort((a, b) => key(b) - key(a) || a - b)
      .slice(0, K);
  });
  const index = tensor(Int32Array.from(chosen.flat()), { device, shape: [T, K] });
  const raw = score === "sigmoid" ? sigmoid(logits) : score === "softmax" ? softmax(logits) : logits;
  const picked = gather(raw, 1, index);
  const p = score === "topKSoftmax" ? softmax(picked) : picked;
  const even = normalize ? div(p, maximum(sum(p, rows), epsilon)) : p;
  const spread = score === "sigmoid" ? shares(logits, raw, host) : softmax(logits);
  const sums = sum(spread, { dim: 0 });
  const counts = new Float32Array(E);
  for (const experts of chosen) for (const e of countFirst ? experts.slice(0, 1) : experts) counts[e]++;
  const balance = scale(sum(mul(sums, tensor(counts, { device }))), E / T ** 2);
  const largest = max(logits, rows);
  const lse = add(log(sum(exp(sub(logits, largest)), rows)), largest);
  const z = mean(square(lse));
  return [scale(even, factor), index, concat([sums, reshape(balance, [1]), reshape(z, [1])], 0)];
}
