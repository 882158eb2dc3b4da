/**
 * Cross entropy of logits with class indices. `ignoreIndex` travels as the bits of an i32. Rows whose target is ignored
 * or out of range are not read: their loss, statistics and dlogits are 0. The maximum and the logarithm of the sum are
 * kept apart: added up, the first would swallow the second where logits are large.
 */
import { BYTES } from "../common/cuda/grid.js";
import { overRows } from "../common/cuda/rows.js";
import { foldGrid, over } from "../common/wgsl/grid.js";
import { rowThreads } from "../common/wgsl/rows.js";
import {
  ALL_FLOATS,
  type CudaLimits,
  ceilDiv,
  type FloatDType,
  optional,
  type ParamValues,
  pass,
  read,
  rowGrain,
  update,
  write,
} from "../contract.js";
import backwardWgsl from "./backward.wgsl.js";
import backwardInPlaceWgsl from "./backward-in-place.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";
import reduceWgsl from "./reduce.wgsl.js";
import * as reference from "./reference.js";

/** Columns of a cell: they stay in L1 between the pass for the maximum and the one for the sum. */
const COLUMNS = 4096;

const sizes = { T: "u32", V: "u32", ignoreIndex: "u32", smoothing: "f32" } as const;
type Sizes = Pick<ParamValues<typeof sizes>, "T" | "V">;

const blocks = ({ V }: Sizes) => ceilDiv(V, COLUMNS);
const cells = (p: Sizes) => p.T * blocks(p);
const grain = ({ V }: Sizes) => rowGrain(Math.min(V, COLUMNS));

/** Fewer columns than a cell's: a GPU wants workgroups even for the one row of a decoded token. */
const GRADIENT_TILES = { WORKGROUP: 64, COLUMNS: 1024 };
/** One gradient of the loss for all tokens, or one for each. */
const gradientCut = ({ V, perToken }: Sizes & { perToken: number }) => ({
  over: "T" as const,
  along: { logits: V, dlogits: V, target: 1, maximum: 1, logSum: 1, ...(perToken === 1 && { dy: 1 }) },
});
const gradientGrid = ({ T, V }: Sizes) => foldGrid(T * ceilDiv(V, GRADIENT_TILES.COLUMNS));

/** THREADS and PIECE of gradient.cuh: a block's bytes of a row, whose first vector may hold up to 15 of the row before. */
const PIECE_THREADS = 256;
const PIECE = 16 * 4 * PIECE_THREADS;
const gradient = (symbol: string) => ({
  symbol,
  grid: ({ T, V }: Sizes, _: CudaLimits, dtype: FloatDType) =>
    [T * ceilDiv(V * BYTES[dtype] + 15, PIECE), 1, 1] as const,
  block: () => [PIECE_THREADS, 1, 1] as const,
});

export const forward = pass({
  label: "cross-entropy/forward",
  buffers: {
    logits: read("T V"),
    target: read("T", "i32"),
    loss: write("T", "f32"),
    maximum: write("T", "f32"),
    /** log Σ exp(logits - maximum) */
    logSum: write("T", "f32"),
    faults: update("4", "u32"),
  },
  params: { ...sizes, faultLabel: "u32" },
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => cells(p) * 3 * 4,
    launches: [
      { symbol: "cross_entropy_forward", cells, grain },
      { symbol: "cross_entropy_forward_join", cells: ({ T }) => T, grain: (p) => rowGrain(64 * blocks(p)) },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: forwardWgsl,
        tiles: ({ V }, limits) => ({ WORKGROUP: rowThreads(V, limits) }),
        grid: ({ T }) => foldGrid(T),
        cut: over("T"),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: overRows(
      "cross_entropy_forward",
      ({ T }) => T,
      ({ V }) => V,
    ),
  },
});

export const reduce = pass({
  label: "cross-entropy/reduce",
  buffers: {
    loss: read("T", "f32"),
    target: read("T", "i32"),
    y: write("1", "f32"),
    /** 1 for a sum, 1 / max(1, targets that count) for a mean. */
    scale: write("1", "f32"),
  },
  params: { T: "u32", ignoreIndex: "u32", mean: "u32" },
  reference: reference.reduce,
  cpu: { dtypes: ["f32"], launches: [{ symbol: "cross_entropy_reduce", cells: () => 1 }] },
  webgpu: {
    dtypes: ["f32"],
    launches: [{ source: reduceWgsl, tiles: () => ({ WORKGROUP: 256 }), grid: () => [1, 1, 1] }],
  },
  cuda: {
    dtypes: ["f32"],
    launches: [{ symbol: "cross_entropy_reduce", grid: () => [1, 1, 1], block: () => [1024, 1, 1] }],
  },
});

const saved = {
  target: read("T", "i32"),
  maximum: read("T", "f32"),
  logSum: read("T", "f32"),
  /** Absent when `perToken`. */
  scale: optional(read("1", "f32")),
} as const;

export const backward = pass({
  label: "cross-entropy/backward",
  buffers: {
    /** [T] when `perToken`, else [1]. */
    dy: read("T", "f32"),
    logits: read("T V"),
    ...saved,
    dlogits: write("T V"),
  },
  params: { ...sizes, perToken: "u32" },
  reference: reference.backward,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "cross_entropy_backward", cells, grain }] },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [{ source: backwardWgsl, tiles: () => GRADIENT_TILES, grid: gradientGrid, cut: gradientCut }],
  },
  cuda: { dtypes: ALL_FLOATS, launches: [gradient("cross_entropy_backward")] },
});

/** Leaves dlogits where the logits were, so that a large vocabulary needs one [T, V] buffer and not two. */
export const backwardInPlace = pass({
  label: "cross-entropy/backward-in-place",
  buffers: { dy: read("T", "f32"), logits: update("T V"), ...saved },
  params: { ...sizes, perToken: "u32" },
  reference: reference.backwardInPlace,
  cpu: { dtypes: ALL_FLOATS, launches: [{ symbol: "cross_entropy_backward_in_place", cells, grain }] },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [{ source: backwardInPlaceWgsl, tiles: () => GRADIENT_TILES, grid: gradientGrid, cut: gradientCut }],
  },
  cuda: { dtypes: ALL_FLOATS, launches: [gradient("cross_entropy_backward_in_place")] },
});
