import type { HostInput } from "../../engine/check/fill.js";
import {
  add,
  cast,
  concat,
  type Device,
  div,
  exp,
  expand,
  gather,
  gelu,
  indexSelect,
  log,
  logSoftmax,
  matmul,
  max,
  maximum,
  mean,
  mul,
  neg,
  ones,
  permute,
  quickGelu,
  type RoutingOptions,
  relu,
  repeatInterleave,
  reshape,
  rsqrt,
  scale,
  sigmoid,
  silu,
  slice,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  transpose,
  zeros,
} from "../../engine/index.js";
import type { OpCase } from "../../kernels/case-table.js";
import type { ExpertActivation } from "../../kernels/grouped-gemm/activation.js";
import { listPlaces } from "../../kernels/top-k-routing/lists.js";

type Inputs = Readonly<Record<string, Tensor>>;
type Host = Readonly<Record<string, HostInput>>;
type Options = Record<string, never>;
/** A fused op written with simple ones, from the formula in its documentation: a second oracle. */
export type Twin = (inputs: Inputs, options: Options, host: Host) => Tensor | readonly Tensor[];

const rows = { dim: -1, keepDim: true };

const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  gelu: (x) => gelu(x),
  geluTanh: (x) => gelu(x, { approximate: "tanh" }),
  quickGelu,
  silu,
  tanh,
  relu,
};

/** [B, 1, L, P + S] of 1 and 0: which query sees which key. */
function visible(mask: Tensor | undefined, B: number, L: number, S: number, P: number, causal: boolean, like: Tensor) {
  const { device } = like;
  const sees = Float32Array.from({ length: L * (P + S) }, (_, at) => {
    const [i, j] = [Math.floor(at / (P + S)), (at % (P + S)) - P];
    return !causal || j < 0 || j <= i + S - L ? 1 : 0;
  });
  const byPlace = tensor(sees, { device, shape: [1, 1, L, P + S] });
  if (!mask) return byPlace;
  const kept = slice(cast(mask, "f32"), { dim: 1, start: 0, length: S });
  const all = P > 0 ? concat([ones([B, P], { device }), kept], 1) : kept;
  return mul(byPlace, reshape(all, [B, 1, 1, P + S]));
}

const attention: Twin = ({ q, k, v, mask, prefixKeys, prefixValues }, options) => {
  const { causal, scale: factor, keys } = options as { causal?: boolean; scale?: number; keys?: number };
  const [B, L, H, D] = q.shape;
  const [, capacity, G] = k.shape;
  const S = keys ?? capacity;
  const P = prefixKeys ? prefixKeys.shape[0] : 0;
  const all = (own: Tensor, prefix: Tensor | undefined) => {
    const used = slice(own, { dim: 1, start: 0, length: S });
    const both = prefix ? concat([expand(reshape(prefix, [1, P, G, D]), [B, P, G, D]), used], 1) : used;
    return permute(repeatInterleave(both, H / G, 2), [0, 2, 1, 3]);
  };
  const seen = visible(mask, B, L, S, P, causal ?? false, q);
  const scores = scale(matmul(permute(q, [0, 2, 1, 3]), all(k, prefixKeys), { transposeB: true }), factor ?? D ** -0.5);
  // A hidden key: weight 0, also where a query sees none.
  const weights = mul(softmax(add(scores, scale(sub(seen, 1), 1e30))), seen);
  return permute(matmul(weights, all(v, prefixValues)), [0, 2, 1, 3]);
};

function normalized(x: Tensor, eps: number): Tensor {
  const centred = sub(x, mean(x, rows));
  return mul(centred, rsqrt(scale(mean(square(centred), rows), 1, eps)));
}

const crossEntropy: Twin = ({ logits }, options, { target }) => {
  const {
    labelSmoothing: e,
    ignoreIndex,
    reduction,
  } = options as unknown as {
    labelSmoothing: number;
    ignoreIndex: number;
    reduction: "none" | "sum" | "mean";
  };
  const { device } = logits;
  const counts = Float32Array.from(target.values, (t) => (t === ignoreIndex ? 0 : 1));
  const index = Int32Array.from(target.values, (t) => (t === ignoreIndex ? 0 : t));
  const p = logSoftmax(logits);
  const picked = gather(p, p.rank - 1, tensor(index, { device, shape: [...target.shape, 1] }));
  const hit = reshape(picked, target.shape);
  const each = neg(add(scale(hit, 1 - e), scale(mean(p, { dim: -1 }), e)));
  const loss = mul(each, tensor(counts, { device, shape: target.shape }));
  if (reduction === "none") return loss;
  const count = counts.reduce((a, b) => a + b, 0);
  return scale(sum(loss), reduction === "mean" ? 1 / Math.max(1, count) : 1);
};

// ---------------------------------------------------------------------------------------------------------------------
// Mixtures

/** What the lists of a case say, read on the host. */
interface Routes {
  readonly offsets: readonly number[];
  /** Choices of the rows kept. */
  readonly order: readonly number[];
  /** Rows of the choices, -1 where dropped. */
  readonly position: readonly number[];
  readonly R: number;
  readonly K: number;
}

function recordOf({ lists }: Host, [T, K]: readonly number[]): Routes {
  const R = T * K;
  const values = Array.from(lists.values);
  const alone = (values.length - 1 - 3 * R) % 2 !== 0 || values.length < 1 + 3 * R;
  const E = alone ? values.length - 1 : (values.length - 1 - 3 * R) / 2;
  const places = listPlaces(E, R);
  const offsets = values.slice(0, E + 1);
  return {
    offsets,
    order: values.slice(places.order, places.order + offsets[E]),
    position: values.slice(places.position, places.position + R),
    R,
    K,
  };
}

const indices = (device: Device, values: readonly number[]) => tensor(Int32Array.from(values), { device });

/** Zeros where there is no row any more. */
const padded = (x: Tensor, rows: number) =>
  concat([x, zeros([rows - x.shape[0], x.shape[1]], { device: x.device })], 0);

const gathered = (x: Tensor, { order, R, K }: Routes) =>
  padded(
    indexSelect(
      x,
      0,
      indices(
        x.device,
        order.map((choice) => Math.floor(choice / K)),
      ),
    ),
    R,
  );

/** Expert by expert. */
function stacked(x: Tensor, weight: Tensor, bias: Tensor | undefined, { offsets }: Routes, transposeB: boolean) {
  const [E, A, B] = weight.shape;
  const part = (t: Tensor, e: number) => slice(t, { dim: 0, start: e, length: 1 });
  const products = Array.from({ length: E }, (_, e) => {
    const rows = slice(x, { dim: 0, start: offsets[e], length: offsets[e + 1] - offsets[e] });
    const y = matmul(rows, reshape(part(weight, e), [A, B]), { transposeB });
    return bias ? add(y, part(bias, e)) : y;
  });
  return padded(concat(products, 0), x.shape[0]);
}

function combined(x: Tensor, weights: Tensor, { position, K }: Routes, { device }: Tensor) {
  const [T] = weights.shape;
  const rows = indexSelect(
    x,
    0,
    indices(
      device,
      position.map((row) => Math.max(0, row)),
    ),
  );
  const kept = tensor(
    Float32Array.from(position, (row) => (row < 0 ? 0 : 1)),
    { device, shape: [T, K] },
  );
  const factors = reshape(mul(weights, kept), [T, K, 1]);
  return sum(mul(reshape(rows, [T, K, x.shape[1]]), factors), { dim: 1 });
}

const halves = (x: Tensor) =>
  [0, 1].map((i) => slice(x, { dim: 1, start: (i * x.shape[1]) / 2, length: x.shape[1] / 2 }));
const gated = (act: (x: Tensor) => Tensor) => (x: Tensor) => {
  const [gate, up] = halves(x);
  return mul(act(gate), up);
};
const experts: Readonly<{ [A in ExpertActivation]: (x: Tensor) => Tensor }> = {
  none: (x) => x,
  gelu: activations.gelu,
  geluTanh: activations.geluTanh,
  quickGelu,
  silu,
  tanh,
  relu,
  swiglu: gated(silu),
  geglu: gated(activations.gelu),
  gegluTanh: gated(activations.geluTanh),
  reglu: gated(relu),
};

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
function topKRouting({ logits }: Inputs, options: Options, host: Host): readonly Tensor[] {
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

/** By name of the op. */
export const twins: Readonly<Record<string, Twin>> = {
  attention,
  attentionPacked: ({ qkv, mask }, options, host) => {
    const [B, L, , H, D] = qkv.shape;
    const part = (i: number) => reshape(slice(qkv, { dim: 2, start: i, length: 1 }), [B, L, H, D]);
    return attention({ q: part(0), k: part(1), v: part(2), mask }, options, host);
  },
  crossEntropy,
  l2Normalize: ({ x }, { eps }) => div(x, maximum(sqrt(sum(square(x), rows)), eps)),
  layerNorm: ({ x, weight, bias }, { eps }) => add(mul(normalized(x, eps), weight), bias),
  logSoftmax: ({ x }) => {
    const lower = sub(x, max(x, rows));
    return sub(lower, log(sum(exp(lower), rows)));
  },
  loraGroupedGemm: ({ x, weight, a, b, bias }, options, host) => {
    const { gather: choices, scale: factor } = options as unknown as { gather: number; scale: number };
    const record = recordOf(host, [x.shape[0], choices]);
    const grouped = gathered(x, record);
    const branch = stacked(stacked(grouped, a, undefined, record, true), b, undefined, record, true);
    return add(stacked(grouped, weight, bias, record, true), scale(branch, factor));
  },
  loraMatmul: ({ x, weight, a, b, bias }, { scale: factor }) => {
    const branch = matmul(matmul(x, a, { transposeB: true }), b, { transposeB: true });
    const y = add(matmul(x, weight, { transposeB: true }), scale(branch, factor));
    return bias ? add(y, bias) : y;
  },
  matmul: ({ a, b, bias }, options) => {
    const { transposeA, transposeB, activation } = options as unknown as Record<string, boolean & string>;
    const y = matmul(transposeA ? transpose(a, -1, -2) : a, transposeB ? transpose(b, -1, -2) : b);
    const shifted = bias ? add(y, bias) : y;
    return activation ? activations[activation](shifted) : shifted;
  },
  rmsNorm: ({ x, weight }, { eps }) => mul(mul(x, rsqrt(scale(mean(square(x), rows), 1, eps))), weight),
  softmax: ({ x }) => {
    const e = exp(sub(x, max(x, rows)));
    return div(e, sum(e, rows));
  },
  combineTokens: ({ x, weights, lists }, _options, host) => combined(x, weights, recordOf(host, weights.shape), lists),
  dispatchTokens: ({ x }, options, host) => {
    const { topK } = options as unknown as { topK: number };
    return gathered(x, recordOf(host, [x.shape[0], topK]));
  },
  expertMlp: ({ x, weights, lists, up, upBias, down, downBias }, options, host) => {
    const { activation, transposed } = options as unknown as { activation: ExpertActivation; transposed: boolean };
    const record = recordOf(host, weights.shape);
    const pre = stacked(gathered(x, record), up, upBias, record, transposed);
    const inner = experts[activation](pre);
    return combined(stacked(inner, down, downBias, record, transposed), weights, record, lists);
  },
  groupedGemm: ({ x, weight, bias }, options, host) => {
    const { gather: choices, transposed } = options as unknown as { gather?: number; transposed: boolean };
    const record = recordOf(host, [x.shape[0], choices ?? 1]);
    return stacked(choices ? gathered(x, record) : x, weight, bias, record, transposed);
  },
  topKRouting,
  embedding: ({ weight, ids }) => {
    const flat = reshape(ids, [ids.size]);
    return reshape(indexSelect(weight, 0, flat), [...ids.shape, weight.shape[1]]);
  },
};

/** Why a case has no twin; null where it has one. */
export function withoutTwin(c: OpCase): string | null {
  if (c.name === "no column") return "nothing has no largest element";
  if (/row of zeros/.test(c.name)) return "the derivative of a square root at 0 is infinite";
  if (c.inputs.logits && c.inputs.target === undefined) {
    if (/no token|-∞|hidden/.test(c.name)) return "the simple ops have no largest element, or an infinite one";
    const { capacity, noise, groups } = c.options as { capacity?: number; noise?: string; groups?: number };
    if (capacity !== undefined || noise || groups || c.inputs.used)
      return "who is chosen and kept is compared with golden tensors and by properties";
  }
  if (c.options?.dropout) return "dropout numbers its elements as the fused op does";
  return null;
}
