import * as kernels from "../../kernels/attention/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float, int, maybe } from "../dispatch/op-schema.js";
import { OptionError, ShapeError } from "../errors.js";
import { emptyLike, type Tensor } from "../tensor.js";

/** What `attention` and `attentionPacked` take besides tensors. */
export interface AttentionOptions {
  /** Query i sees key j only where j <= i + S - L: the last query sees every key. */
  causal?: boolean;
  /** Default 1 / √D. */
  scale?: number;
  /** Probability with which a softmax weight is dropped; survivors are divided by 1 - p. Default 0. */
  dropout?: number;
  /** How many of the keys count, where k and v are a cache with room for more. Default all. */
  keys?: number;
}

interface Sizes {
  B: number;
  L: number;
  S: number;
  H: number;
  G: number;
  D: number;
  P: number;
}

/** Where q, k and v lie in their buffers, in elements. */
interface Layout {
  qPitch: number;
  kvPitch: number;
  qOffset: number;
  kOffset: number;
  vOffset: number;
  kvCapacity: number;
}

function numbers(sizes: Sizes, layout: Layout, o: AttentionOptions, mask: boolean, sequence: number) {
  const dropout = o.dropout ?? 0;
  if (!(dropout >= 0 && dropout < 1)) throw new OptionError(`attention: dropout ${dropout} is not in [0, 1).`);
  return {
    ...sizes,
    ...layout,
    causal: o.causal ? 1 : 0,
    scale: o.scale ?? 1 / Math.sqrt(sizes.D),
    dropout,
    sequence,
    hasMask: mask ? 1 : 0,
    hasPrefix: sizes.P > 0 ? 1 : 0,
  };
}

export const attentionOp = defineOp({
  name: "attention",
  autocast: "low",
  inputs: {
    q: float("B", "L", "H", "D"),
    k: float("B", "S", "G", "D"),
    v: float("B", "S", "G", "D"),
    mask: maybe(int("B", "S")),
    prefixKeys: maybe(float("P", "G", "D")),
    prefixValues: maybe(float("P", "G", "D")),
  },

  forward({ q, k, v, mask, prefixKeys, prefixValues }, options: AttentionOptions, { device, dims, run }) {
    const { B, L, H, G, D, S: capacity, P = 0 } = dims;
    const S = options.keys ?? capacity;
    if (H % G !== 0)
      throw new ShapeError(
        `attention: ${H} query heads cannot share ${G} key/value heads evenly; H must be a multiple of G.`,
      );
    if (!(Number.isInteger(S) && S >= 0 && S <= capacity))
      throw new OptionError(
        `attention: keys is ${S}; k holds ${capacity}, so it must be a whole number from 0 to that.`,
      );
    if ((prefixKeys === null) !== (prefixValues === null))
      throw new ShapeError("attention: prefixKeys and prefixValues come together; one of them is missing.");
    const layout = { qPitch: H * D, kvPitch: G * D, qOffset: 0, kOffset: 0, vOffset: 0, kvCapacity: capacity };
    const sequence = options.dropout ? device.random.next() : 0;
    const params = numbers({ B, L, S, H, G, D, P }, layout, options, mask !== null, sequence);
    const args = { q, k, v, mask, prefixKeys, prefixValues, y: q.shape, lse: [B, H, L] };
    const { y, lse } = run(kernels.forward, args, params);
    return { y, saves: { q, k, v, mask, prefixKeys, prefixValues, y, lse }, kept: params };
  },

  gradient(saved, dy, { kept, run }) {
    if (kept.S !== kept.kvCapacity)
      throw new OptionError("attention: a gradient through a partly filled cache is not defined. Slice k and v first.");
    const { q, k, v, prefixKeys } = saved as Record<string, Tensor>;
    const found = run(
      kernels.backward,
      {
        ...(saved as { q: Tensor; k: Tensor; v: Tensor; y: Tensor; lse: Tensor }),
        mask: saved.mask,
        prefixKeys: saved.prefixKeys,
        prefixValues: saved.prefixValues,
        dy,
        dq: q.shape,
        dk: k.shape,
        dv: v.shape,
        dprefixKeys: prefixKeys ? prefixKeys.shape : null,
        dprefixValues: prefixKeys ? prefixKeys.shape : null,
      },
      kept,
    );
    return {
      q: found.dq,
      k: found.dk,
      v: found.dv,
      prefixKeys: prefixKeys && found.dprefixKeys,
      prefixValues: prefixKeys && found.dprefixValues,
    };
  },
});

/**
 * y = softmax(scale · q kᵀ) v per head, without an [L, S] matrix in memory (Dao et al., FlashAttention, arXiv 2205.14135).
 *
 * q [B, L, H, D]; k and v [B, S, G, D] with H a multiple of G (grouped queries: head h reads h / (H/G)); mask [B, S] of
 * i32, 0 hides a key; prefixKeys and prefixValues [P, G, D] stand in front of the keys of every row, visible to all
 * queries. A query that sees no key gives 0; a score of
 * -infinity hides its key. Returns [B, L, H, D]; saves the inputs, y and one number per row.
 */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions & {
    mask?: Tensor | null;
    prefixKeys?: Tensor | null;
    prefixValues?: Tensor | null;
  } = {},
): Tensor {
  const { mask = null, prefixKeys = null, prefixValues = null } = options;
  return attentionOp({ q, k, v, mask, prefixKeys, prefixValues }, options);
}

export const attentionPackedOp = defineOp({
  name: "attentionPacked",
  autocast: "low",
  inputs: { qkv: float("B", "L", 3, "H", "D"), mask: maybe(int("B", "L")) },

  forward({ qkv, mask }, options: AttentionOptions, { device, dims: { B, L, H, D }, run }) {
    const pitch = 3 * H * D;
    const layout = { qPitch: pitch, kvPitch: pitch, qOffset: 0, kOffset: H * D, vOffset: 2 * H * D, kvCapacity: L };
    const sequence = options.dropout ? device.random.next() : 0;
    const params = numbers({ B, L, S: L, H, G: H, D, P: 0 }, layout, options, mask !== null, sequence);
    const args = {
      q: qkv,
      k: qkv,
      v: qkv,
      mask,
      prefixKeys: null,
      prefixValues: null,
      y: [B, L, H, D],
      lse: [B, H, L],
    };
    const { y, lse } = run(kernels.forward, args, params);
    return { y, saves: { qkv, mask, y, lse }, kept: params };
  },

  gradient({ qkv, mask, y, lse }, dy, { kept, run }) {
    const first = run(
      kernels.backward,
      {
        dy,
        q: qkv,
        k: qkv,
        v: qkv,
        mask,
        prefixKeys: null,
        prefixValues: null,
        y,
        lse,
        ...packedGradient(qkv),
        dprefixKeys: null,
        dprefixValues: null,
      },
      kept,
    );
    return { qkv: first.dq };
  },
});

/** One tensor for dq, dk and dv: the pass writes its three slices. */
function packedGradient(qkv: Tensor): { dq: Tensor; dk: Tensor; dv: Tensor } {
  const dqkv = emptyLike(qkv);
  return { dq: dqkv, dk: dqkv, dv: dqkv };
}

/**
 * Self-attention of one packed projection qkv [B, L, 3, H, D], read in place: `attention` of its three slices.
 * mask [B, L] of i32, 0 hides a key. Returns [B, L, H, D].
 */
export function attentionPacked(qkv: Tensor, options: AttentionOptions & { mask?: Tensor | null } = {}): Tensor {
  return attentionPackedOp({ qkv, mask: options.mask ?? null }, options);
}
