import {
  add,
  div,
  exp,
  indexSelect,
  log,
  matmul,
  max,
  maximum,
  mean,
  mul,
  reshape,
  rsqrt,
  scale,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
} from "../../engine/index.js";
import type { OpCase } from "../../kernels/case-table.js";
import type { ExpertActivation } from "../../kernels/grouped-gemm/activation.js";
import { activations, experts } from "./twins/activations.js";
import { attention } from "./twins/attention.js";
import { crossEntropy } from "./twins/cross-entropy.js";
import { combined, gathered, recordOf, stacked } from "./twins/routed-rows.js";
import { topKRouting } from "./twins/routing.js";
import { rows, type Twin } from "./twins/twin.js";

function normalized(x: Tensor, eps: number): Tensor {
  const centred = sub(x, mean(x, rows));
  return mul(centred, rsqrt(scale(mean(square(centred), rows), 1, eps)));
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
