import {
  add,
  cast,
  concat,
  expand,
  matmul,
  mul,
  ones,
  permute,
  repeatInterleave,
  reshape,
  scale,
  slice,
  softmax,
  sub,
  type Tensor,
  tensor,
} from "../../../engine/index.js";
import type { Twin } from "./twin.js";

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

export const attention: Twin = ({ q, k, v, mask, prefixKeys, prefixValues }, options) => {
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
