import type { CaseSets, CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { bytesOf, shapeOf } from "../cost.js";
import { MIXTURES } from "../published-shapes.js";

type Shape = { B?: number; L: number; S?: number; H?: number; G?: number; D?: number; P?: number };

const ALL: readonly FloatDType[] = ["f32", "bf16", "f16"];

/** A case by its letters; S is L, G is H, B is 1 where they are absent. */
export const attention = (name: string, shape: Shape, extra: Partial<OpCase> = {}): OpCase => {
  const { B = 1, L, S = L, H = 2, G = H, D = 16, P = 0 } = shape;
  const prefix = P > 0 && { prefixKeys: [P, G, D], prefixValues: [P, G, D] };
  return {
    name,
    ...extra,
    inputs: { q: [B, L, H, D], k: [B, S, G, D], v: [B, S, G, D], ...prefix, ...extra.inputs },
  };
};

const packed = (name: string, shape: { B?: number; L: number; H: number; D: number }, extra: Partial<OpCase> = {}) => ({
  name,
  ...extra,
  inputs: { qkv: [shape.B ?? 1, shape.L, 3, shape.H, shape.D], ...extra.inputs },
});

/** Keys [0, length) of each row kept, those after it padding. */
const padding = (S: number, lengths: readonly number[]): InputSpec => ({
  shape: [lengths.length, S],
  dtype: "i32",
  values: lengths.flatMap((length) => Array.from({ length: S }, (_, s) => (s < length ? 1 : 0))),
});

const causal = { causal: true };

const tolerance = { f32: 5e-6, bf16: 2e-2, f16: 3e-3 };
const reason =
  "f32: scores are sums of at most 256 products, rounded relative to their size (up to about 40 with spiky q), which " +
  "the exponential turns into a relative error of the weight; half types: inputs are exact, y is rounded once (2^-9, " +
  "2^-12), and the gradients read that y in delta = sum(dy y), so its rounding is multiplied by the size of q and k";

/** 4 D for each pair of query and key that a causal mask leaves, 10 D backward. */
function work(c: OpCase, pass: "forward" | "backward", [B, L, H, D]: readonly number[], S: number, P: number) {
  const isCausal = (c.options as { causal?: boolean } | undefined)?.causal === true;
  // Query L - 1 sees all S keys, the one before it one less; everybody sees the prefix.
  const seeing = Math.min(L, S);
  const pairs = L * P + (isCausal ? seeing * S - (seeing * (seeing - 1)) / 2 : L * S);
  return (pass === "forward" ? 4 : 10) * B * H * D * pairs;
}

export const table: CaseTable = {
  op: "attention",
  tolerance,
  reason,
  cases: [
    attention("no query: the gradients of the keys are zero", { L: 0, S: 3 }),
    attention("no key: y is zero", { L: 40, S: 0 }),
    attention("no key, one query", { L: 1, S: 0 }),
    attention("no batch row, but prefix keys", { B: 0, L: 9, P: 3 }),
    attention("one query, one key: the weight is 1", { L: 1 }),
    attention("one query, many keys (decode)", { B: 2, L: 1, S: 129 }, { dtypes: ALL }),
    attention("many queries, one key", { L: 70, S: 1 }),
    attention("head width 7: below a vector", { B: 2, L: 19, S: 23, H: 3, D: 7 }, { dtypes: ALL }),
    attention("head width 40: a vector and a half", { L: 33, H: 2, D: 40 }),
    attention("head width 80 (Phi-2)", { L: 50, H: 2, D: 80 }, { options: causal, dtypes: ALL }),
    attention("head width 128, tails of both tiles", { L: 70, S: 131, H: 2, D: 128 }, { dtypes: ALL }),
    attention("head width 256, the widest", { L: 20, S: 70, H: 1, D: 256 }, { dtypes: ALL }),
    attention("block border: 63", { L: 63, D: 8 }, { options: causal }),
    attention("block border: 64", { L: 64, D: 8 }, { options: causal, dtypes: ALL }),
    attention("block border: 65", { L: 65, D: 8 }, { options: causal }),
    attention("two blocks and one: 129", { L: 129, D: 8 }, { options: causal, dtypes: ALL }),
    attention("several cells of queries per head", { L: 300, S: 200, H: 1, D: 8 }),
    attention("cross, more keys than queries", { B: 2, L: 10, S: 65 }, { dtypes: ALL }),
    attention("cross, fewer keys than queries", { B: 2, L: 70, S: 9 }),
    attention("causal with L < S: the queries are the last", { L: 5, S: 37 }, { options: causal }),
    attention("causal with L > S: the first queries see nothing", { L: 37, S: 30 }, { options: causal, dtypes: ALL }),
    attention("padding, one row with every key masked", { B: 3, L: 21 }, { inputs: { mask: padding(21, [21, 0, 8]) } }),
    attention(
      "padding and causal",
      { B: 2, L: 70 },
      { inputs: { mask: padding(70, [66, 3]) }, options: causal, dtypes: ALL },
    ),
    attention(
      "mask with holes",
      { B: 2, L: 33, S: 150 },
      { inputs: { mask: { shape: [2, 150], dtype: "i32", low: 0, high: 2 } }, dtypes: ALL },
    ),
    attention("grouped queries 4:1", { B: 2, L: 35, H: 8, G: 2 }, { options: causal, dtypes: ALL }),
    attention("grouped queries 4:1, one query", { B: 2, L: 1, S: 700, H: 8, G: 2 }, { options: causal }),
    attention("all heads on one key/value head", { L: 40, H: 3, G: 1 }),
    attention("prefix of 10", { B: 3, L: 18, P: 10 }, { dtypes: ALL }),
    attention(
      "prefix, causal, padding, one row of padding only",
      { B: 3, L: 18, P: 5, H: 4, G: 2 },
      { inputs: { mask: padding(18, [18, 0, 7]) }, options: causal, dtypes: ALL },
    ),
    attention("prefix, one query (decode)", { B: 2, L: 1, S: 20, P: 3 }),
    attention("dropout", { B: 2, L: 35, S: 67 }, { options: { dropout: 0.1 }, dtypes: ALL }),
    attention(
      "dropout, causal, prefix",
      { B: 2, L: 33, P: 3 },
      { options: { dropout: 0.5, causal: true }, dtypes: ALL },
    ),
    attention("dropout, head width 64", { L: 66, S: 131, H: 1, D: 64 }, { options: { dropout: 0.1 }, dtypes: ALL }),
    attention("dropout, head width 96", { L: 34, S: 70, H: 1, D: 96 }, { options: { dropout: 0.1 }, dtypes: ALL }),
    attention("dropout, head width 128", { L: 70, S: 67, H: 1, D: 128 }, { options: { dropout: 0.1 }, dtypes: ALL }),
    attention("dropout, head width 256", { L: 18, S: 35, H: 1, D: 256 }, { options: { dropout: 0.1 }, dtypes: ALL }),
    attention("head width 40, causal, two blocks", { L: 160, H: 1, D: 40 }, { options: causal, dtypes: ALL }),
    attention("head width 104, causal, two blocks", { L: 132, H: 1, D: 104 }, { options: causal, dtypes: ALL }),
    attention("515 heads: more than blocks come in one order", { L: 2, H: 515, G: 1, D: 1 }, { dtypes: ["bf16"] }),
    attention(
      "negative scale: the least product weighs the most",
      { L: 37, S: 70 },
      { options: { scale: -0.5, causal: true }, dtypes: ALL },
    ),
    attention(
      "scale 0: the keys that a query sees weigh the same",
      { B: 2, L: 20 },
      { inputs: { mask: padding(20, [20, 13]) }, options: { scale: 0, causal: true }, dtypes: ALL },
    ),
    attention(
      "large scores: all weight on one key",
      { L: 40, S: 90 },
      { inputs: { q: { shape: [1, 40, 2, 16], fill: "spiky" } }, options: { scale: 1 }, dtypes: ALL },
    ),
    attention("MISS-tiny text to image", { B: 32, L: 24, S: 65, H: 4 }, { bench: true }),
    attention("MISS-tiny answer, causal", { B: 32, L: 10, H: 4 }, { options: causal }),
    attention("MISS-base text to image", { L: 32, S: 901, H: 12, D: 64 }, { bench: true }),
    attention("ViT-base at 384 px", { B: 2, L: 577, H: 12, D: 64 }, { bench: true }),
    attention("language model, causal", { L: 1024, H: 32, D: 64 }, { options: causal, bench: true }),
    attention("stories260k decode", { L: 1, S: 256, H: 8, G: 4, D: 8 }, { options: causal, bench: true }),
    attention("language model decode", { L: 1, S: 1024, H: 32, D: 64 }, { options: causal, bench: true }),
  ],
  cost: (c, pass, dtype = "f32") => {
    const { q, k, mask, prefixKeys } = c.inputs;
    const flops = work(c, pass, shapeOf(q), shapeOf(k)[1], shapeOf(prefixKeys)[0]);
    // q and y, k and v, keys and values of the prefix; backward the gradients of all.
    const once = 2 * (bytesOf(q, dtype) + bytesOf(k, dtype) + bytesOf(prefixKeys, dtype));
    return { flops, bytes: (pass === "forward" ? 1 : 2) * once + bytesOf(mask, dtype) };
  },
};

export const packedTable: CaseTable = {
  op: "attentionPacked",
  tolerance,
  reason,
  cases: [
    packed("no token", { L: 0, H: 2, D: 16 }),
    packed("one token", { L: 1, H: 2, D: 16 }),
    packed("block border", { B: 2, L: 65, H: 3, D: 16 }, { dtypes: ALL }),
    packed("head width 7", { B: 2, L: 20, H: 2, D: 7 }),
    packed("padding", { B: 2, L: 30, H: 2, D: 16 }, { inputs: { mask: padding(30, [30, 11]) } }),
    packed("causal", { L: 70, H: 2, D: 24 }, { options: causal }),
    packed("MISS-tiny ViT, batch 32", { B: 32, L: 65, H: 4, D: 16 }, { bench: true }),
    packed("MISS-small ViT, batch 8", { B: 8, L: 197, H: 6, D: 64 }, { bench: true }),
    packed("MISS-base ViT at 480 px", { L: 901, H: 12, D: 64 }, { bench: true }),
  ],
  cost: (c, pass, dtype = "f32") => {
    const { qkv, mask } = c.inputs;
    const [B, L, , H, D] = shapeOf(qkv);
    const once = (4 / 3) * bytesOf(qkv, dtype);
    return {
      flops: work(c, pass, [B, L, H, D], L, 0),
      bytes: (pass === "forward" ? 1 : 2) * once + bytesOf(mask, dtype),
    };
  },
};

export const tables: readonly CaseTable[] = [table, packedTable];

/**
 * FlashAttention-3's grid (Shah et al., arXiv 2407.08608, section 4): 16k tokens in sequences of 512 to 16k, all heads together
 * 2,048 wide; `by` divides tokens, keys and widths.
 */
const flashAttention = (by: number) => (keys?: number) =>
  [64, 128, 256].flatMap((width) =>
    [false, true].flatMap((masked) =>
      (keys ? [keys] : [512, 1024, 2048, 4096, 8192, 16384].map((S) => S / by)).map((S) => {
        const shape = { B: Math.max(1, Math.floor(16384 / by / S)), L: S, H: 2048 / width, D: width / by };
        const name = `FlashAttention-3's grid: ${S} keys, heads of ${shape.D}${masked ? ", causal" : ""}`;
        return attention(name, shape, masked ? { options: causal } : {});
      }),
    ),
  );

/**
 * MISS (presets of models/miss/config.ts, base): ViT-B/16 of 480 pixels, question and answer in BERT's modules, and both over the
 * image. `images` are the batch; `by` divides them, the heads' width and the image's tokens.
 */
const miss =
  (by: number) =>
  (images = 8 / by) => {
    const size = { B: images, H: 12, D: 64 / by };
    const tokens = Math.ceil(901 / by);
    return [
      packed("MISS: the image in itself", { ...size, L: tokens }),
      attention("MISS: the question in itself", { ...size, L: 32 }),
      attention("MISS: the question over the image", { ...size, L: 32, S: tokens }),
      attention("MISS: the answer in itself", { ...size, L: 10 }, { options: causal }),
      attention("MISS: the answer over the image", { ...size, L: 10, S: tokens }),
    ];
  };

/** The size is the length of the sequences, but of `miss` the number of images. */
export const sets: CaseSets = {
  ...Object.fromEntries(
    Object.entries(MIXTURES).flatMap(([name, [{ attention: published, T }]]) => {
      if (!published) return [];
      const { heads: H, keyValueHeads: G, headWidth: D } = published;
      const prefill = (L = T) => [attention(`${name}: ${L} tokens, causal`, { L, H, G, D }, { options: causal })];
      return [[name, prefill]];
    }),
  ),
  fa3: flashAttention(1),
  "fa3-mini": flashAttention(8),
  miss: miss(1),
  "miss-mini": miss(8),
};
