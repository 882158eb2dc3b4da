/**
 * Attention over heads with a running softmax: no [L, S] matrix in memory.
 *
 * Layout. Token l of batch row b, head h of q starts at `qOffset + (b L + l) qPitch + h D`; token s of k at
 * `kOffset + (b kvCapacity + s) kvPitch + g D`, of v at `vOffset + ...`. So q, k and v may be slices of one packed
 * projection (the same memory bound three times) and k, v may be a cache with room for more tokens than S. dq, dk and
 * dv follow q, k and v. y and dy are contiguous. The mask of batch row b starts at b kvCapacity.
 *
 * Keys. The P prefix keys stand in front of the S others, in the order of dropout positions too: element
 * ((b H + h) L + i) (P + S) + j of the random stream, modulo 2^32. Query i sees every prefix key and, if causal, key j
 * of the others where j <= i + S - L. A weight survives dropout where `(word >> 8) 2^-24 >= dropout`.
 *
 * `lse` is the natural logarithm of the sum of exp(scale q k); NO_KEYS for a query that sees no key, whose y is 0. It
 * is positive, so that exp(score - lse) is 0 there whatever the score.
 */
import { ALL_FLOATS, ceilDiv, optional, pass, read, write } from "../contract.js";
import * as cuda from "./cuda.js";
import { params, rows, type Sizes } from "./problem.js";
import * as reference from "./reference.js";
import * as webgpu from "./webgpu.js";

/** Up to this many rows per key/value head, attention is bound by reading k and v, and keys are what is split. */
const FEW_ROWS = 4;
const few = (p: Sizes) => rows(p) <= FEW_ROWS;

/** Keys of a cell when there are few rows: of all heads, which lie together. */
const FEW_KEYS = 128;
const keySplits = (p: Sizes) => Math.max(1, ceilDiv(p.P + p.S, FEW_KEYS));

/** Cells per key/value head: each packs keys and values, so several only where heads are too few for a machine. */
const splits = (p: Sizes) => Math.max(1, Math.min(ceilDiv(16, Math.max(1, p.B * p.G)), ceilDiv(rows(p), 128)));
/** Whether backward cells leave partial sums of dk and dv: several per head, or a prefix that the batch shares. */
const joins = (p: Sizes) => splits(p) > 1 || p.hasPrefix === 1;

/** Cells per chunk so that a chunk is about a million multiply-adds. */
const workGrain = (multiplyAdds: number) => Math.max(1, Math.ceil(2 ** 20 / Math.max(1, multiplyAdds)));

export const forward = pass({
  label: "attention/forward",
  buffers: {
    q: read("B L H D"),
    k: read("B S G D"),
    v: read("B S G D"),
    mask: optional(read("B S", "i32")),
    prefixKeys: optional(read("P G D")),
    prefixValues: optional(read("P G D")),
    random: read("4", "u32"),
    y: write("B L H D"),
    lse: write("B H L", "f32"),
  },
  params,
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => (few(p) && keySplits(p) > 1 ? p.B * keySplits(p) * p.H * p.L * (p.D + 2) * 4 : 0),
    launches: [
      {
        symbol: "attention_forward",
        cells: (p) => (few(p) ? 0 : p.B * p.G * splits(p)),
        grain: (p) => workGrain((2 * rows(p) * (p.P + p.S) * p.D) / splits(p)),
      },
      {
        symbol: "attention_forward_few",
        cells: (p) => (few(p) ? p.B * keySplits(p) : 0),
        grain: (p) => workGrain(16 * p.H * p.L * Math.min(p.P + p.S, FEW_KEYS) * p.D),
      },
      {
        symbol: "attention_forward_few_join",
        cells: (p) => (few(p) && keySplits(p) > 1 ? p.B : 0),
        grain: (p) => workGrain(4 * keySplits(p) * p.H * p.L * p.D),
      },
    ],
  },
  webgpu: webgpu.forward,
  cuda: cuda.forward,
});

export const backward = pass({
  label: "attention/backward",
  buffers: {
    dy: read("B L H D"),
    q: read("B L H D"),
    k: read("B S G D"),
    v: read("B S G D"),
    mask: optional(read("B S", "i32")),
    prefixKeys: optional(read("P G D")),
    prefixValues: optional(read("P G D")),
    random: read("4", "u32"),
    y: read("B L H D"),
    lse: read("B H L", "f32"),
    dq: write("B L H D"),
    dk: write("B S G D"),
    dv: write("B S G D"),
    dprefixKeys: optional(write("P G D")),
    dprefixValues: optional(write("P G D")),
  },
  params,
  reference: reference.backward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => (joins(p) ? p.B * p.G * splits(p) * (p.P + p.S) * p.D * 2 * 4 : 0),
    launches: [
      {
        symbol: "attention_backward",
        cells: (p) => p.B * p.G * splits(p),
        grain: (p) => workGrain((5 * rows(p) * (p.P + p.S) * p.D) / splits(p)),
      },
      {
        symbol: "attention_backward_join",
        cells: (p) => (joins(p) ? p.P + p.B * p.S : 0),
        grain: (p) => workGrain(8 * splits(p) * p.G * p.D),
      },
    ],
  },
  webgpu: webgpu.backward,
  cuda: cuda.backward,
});
