import type { HostInput } from "../../engine/check/fill.js";
import {
  add,
  cast,
  concat,
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
  relu,
  repeatInterleave,
  reshape,
  rsqrt,
  scale,
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
} from "../../engine/index.js";
import type { OpCase } from "../../kernels/contract.js";

type Inputs = Readonly<Record<string, Tensor>>;
type Host = Readonly<Record<string, HostInput>>;
type Options = Record<string, never>;
/** A fused op written with simple ones, from the formula in its documentation: a second oracle. */
export type Twin = (inputs: Inputs, options: Options, host: Host) => Tensor;

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
  embedding: ({ weight, ids }) => {
    const flat = reshape(ids, [ids.size]);
    return reshape(indexSelect(weight, 0, flat), [...ids.shape, weight.shape[1]]);
  },
};

/** Why a case has no twin; null where it has one. */
export function withoutTwin(c: OpCase): string | null {
  if (c.name === "no column") return "nothing has no largest element";
  if (/row of zeros/.test(c.name)) return "the derivative of a square root at 0 is infinite";
  if (c.options?.dropout) return "dropout numbers its elements as the fused op does";
  return null;
}
