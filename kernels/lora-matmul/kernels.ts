import { foldGrid } from "../common/wgsl/grid.js";
import { productLaunches } from "../common/wgsl/product.js";
import {
  ALL_FLOATS,
  type Cut,
  ceilDiv,
  type FloatDType,
  type GpuLimits,
  optional,
  pass,
  read,
  update,
  write,
} from "../contract.js";
import backwardAdapterWgsl from "./backward-adapter.wgsl.js";
import backwardAdapterJoinWgsl from "./backward-adapter-join.wgsl.js";
import backwardInputWgsl from "./backward-input.wgsl.js";
import backwardInputRankWgsl from "./backward-input-rank.wgsl.js";
import { bytesOf, cudaProduct, rankLaunches } from "./cuda.js";
import forwardWgsl from "./forward.wgsl.js";
import forwardRankWgsl from "./forward-rank.wgsl.js";
import mergeWgsl from "./merge.wgsl.js";
import { backwardProduct, forwardProduct, launches, type Sizes, scratchFloats } from "./plan.js";
import * as reference from "./reference.js";

/** How WebGPU cuts the product: a row of x, dy or the weight as it is stored is N or K elements. */
const forwardSize = (p: Sizes) => ({
  ...forwardProduct(p),
  aligned: p.K % 4 === 0,
  leftAlongK: true,
  rightAlongK: true,
});
/** No rows, no launch: where dx is not wanted. */
const backwardSize = (p: Sizes & { hasDx: number }) => ({
  ...backwardProduct(p),
  M: p.hasDx ? p.T : 0,
  aligned: p.N % 4 === 0 && p.K % 4 === 0,
  leftAlongK: true,
  rightAlongK: false,
});

const sizes = { T: "u32", N: "u32", K: "u32", R: "u32", scale: "f32" } as const;
/** Probability that an element of x is left out of the branch, and the place of its mask in the random stream. */
const dropout = { dropout: "f32", sequence: "u32" } as const;

const forwardParams = { ...sizes, ...dropout, hasBias: "u32" } as const;
const backwardInputParams = { ...sizes, ...dropout, hasDx: "u32" } as const;

/** By tokens; by columns of y, which are rows of the weight. Parts begin at whole vectors. */
const forwardCut = ({ N, K, R }: Sizes): readonly Cut<typeof forwardParams>[] => [
  { over: "T", along: { x: K, y: N, h: R }, unit: 4 },
  { over: "N", along: { weight: K, b: R, bias: 1 }, unit: 4 },
];
/** By tokens; by rows of the weight, whose products add up in dx: not in f16, where it would round once for each part. */
const backwardCut = ({ N, K, R }: Sizes, dtype: FloatDType): readonly Cut<typeof backwardInputParams>[] => [
  { over: "T", along: { dy: N, dx: K, g: R }, unit: 4 },
  ...(dtype === "f32" ? [{ over: "N", along: { weight: K }, unit: 4 } as const] : []),
];

/** Threads that share a row of x or dy on WebGPU: one vector of them where barriers are dear, eight at least (rank.wgsl). */
const rankTiles = (_: unknown, { software }: GpuLimits) => ({ WORKGROUP: software ? 8 : 64 });

/** y = x weightᵀ + bias + scale h bᵀ, h = drop(x) aᵀ: a linear layer with a low-rank adapter, x read once. */
export const forward = pass({
  label: "lora-matmul/forward",
  buffers: {
    x: read("T K"),
    weight: read("N K"),
    a: read("R K"),
    b: read("N R"),
    bias: optional(read("N")),
    /** Present when dropout > 0. */
    random: optional(read("4", "u32")),
    y: write("T N"),
    h: write("T R"),
  },
  params: forwardParams,
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => 4 * scratchFloats(forwardProduct(p)),
    launches: launches("lora_matmul_forward", forwardProduct),
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: forwardRankWgsl,
        buffers: ["x", "a", "random", "h"],
        tiles: rankTiles,
        grid: ({ T, R }) => (R > 0 ? foldGrid(T) : [0, 0, 0]),
        cut: ({ K, R }) => ({ over: "T", along: { x: K, h: R } }),
        places: ["T"],
      },
      ...productLaunches(forwardWgsl, forwardSize, ["x", "weight", "b", "bias", "h", "y"]).map((launch) => ({
        ...launch,
        cut: forwardCut,
        places: ["N"] as const,
      })),
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    // The rows of the branch, times scale.
    scratchBytes: ({ T, R }, _, dtype) => T * R * bytesOf(dtype),
    launches: [...rankLaunches("lora_matmul_forward"), ...cudaProduct("lora_matmul_forward", forwardProduct, true)],
  },
});

/** g = scale dy b, dx = dy weight + mask / (1 - dropout) ∘ (g a). */
export const backwardInput = pass({
  label: "lora-matmul/backward-input",
  buffers: {
    dy: read("T N"),
    weight: read("N K"),
    a: read("R K"),
    b: read("N R"),
    random: optional(read("4", "u32")),
    /** Absent where x needs no gradient: then g alone is computed. */
    dx: optional(write("T K")),
    g: write("T R"),
  },
  params: backwardInputParams,
  reference: reference.backwardInput,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => 4 * scratchFloats(backwardProduct(p)),
    launches: launches<Sizes & { hasDx: number }>(
      "lora_matmul_backward_input",
      backwardProduct,
      ({ hasDx }) => hasDx === 1,
    ),
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: backwardInputRankWgsl,
        buffers: ["dy", "b", "g"],
        tiles: rankTiles,
        grid: ({ T, R }) => (R > 0 ? foldGrid(T) : [0, 0, 0]),
        cut: ({ N, R }) => ({ over: "T", along: { dy: N, g: R } }),
      },
      ...productLaunches(backwardInputWgsl, backwardSize, ["dy", "weight", "a", "random", "g", "dx"]).map((launch) => ({
        ...launch,
        cut: backwardCut,
        places: ["T", "N"] as const,
      })),
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: [
      ...rankLaunches("lora_matmul_backward_input"),
      ...cudaProduct<Sizes & { hasDx: number }>(
        "lora_matmul_backward_input",
        backwardProduct,
        false,
        ({ hasDx }) => hasDx === 1,
      ),
    ],
  },
});

/** Tokens and columns of x or dy that one cell reads: fixed, so that the order of the sums is. */
const BLOCK_TOKENS = 512;
const BLOCK_COLS = 128;
/** The same on WebGPU, where a block of tokens is for each of the columns a thread's own. */
const WGSL_TOKENS = 128;
const adapterTiles = { WORKGROUP: 64, BLOCK: WGSL_TOKENS };

/** By whole blocks, whose sums each part writes to where they stand in the scratch memory of all. */
const adapterCut = ({ N, K, R }: Sizes) =>
  ({ over: "T", along: { dy: N, x: K, h: R, g: R }, unit: WGSL_TOKENS }) as const;

/** SmallTile of gemm-tiles.cuh on CUDA, for products that are bound by memory: 64 × 64. */
const SMALL = 64;
const smallTiles = (rows: number, columns: number) => ceilDiv(rows, SMALL) * ceilDiv(columns, SMALL);
const smallTile = {
  block: () => [128, 1, 1] as const,
  sharedBytes: () => 64 * 4 * 2 * SMALL,
};

/** da = gᵀ drop(x), db = scale dyᵀ h: each of x and dy is read once. */
export const backwardAdapter = pass({
  label: "lora-matmul/backward-adapter",
  buffers: {
    dy: read("T N"),
    x: read("T K"),
    h: read("T R"),
    g: read("T R"),
    random: optional(read("4", "u32")),
    da: update("R K"),
    db: update("N R"),
  },
  params: { ...sizes, ...dropout, accumulateA: "u32", accumulateB: "u32" },
  reference: reference.backwardAdapter,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ T, N, K, R }) => 4 * ceilDiv(T, BLOCK_TOKENS) * R * (N + K),
    launches: [
      {
        symbol: "lora_matmul_backward_adapter",
        cells: ({ T, N, K }) => ceilDiv(T, BLOCK_TOKENS) * (ceilDiv(K, BLOCK_COLS) + ceilDiv(N, BLOCK_COLS)),
      },
      {
        symbol: "lora_matmul_backward_adapter_join",
        cells: ({ N, K }) => ceilDiv(K, BLOCK_COLS) + ceilDiv(N, BLOCK_COLS),
        grain: () => 4,
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: ({ T, N, K, R }) => 4 * ceilDiv(T, WGSL_TOKENS) * R * (N + K),
    launches: [
      {
        source: backwardAdapterWgsl,
        buffers: ["dy", "x", "h", "g", "random"],
        tiles: () => ({ ...adapterTiles, OF: 0 }),
        grid: ({ T, K }) => [ceilDiv(K, 4 * adapterTiles.WORKGROUP), ceilDiv(T, WGSL_TOKENS), 1],
        cut: adapterCut,
        places: ["T"],
      },
      {
        source: backwardAdapterWgsl,
        buffers: ["dy", "x", "h", "g", "random"],
        tiles: () => ({ ...adapterTiles, OF: 1 }),
        grid: ({ T, N }) => [ceilDiv(N, 4 * adapterTiles.WORKGROUP), ceilDiv(T, WGSL_TOKENS), 1],
        cut: adapterCut,
        places: ["T"],
      },
      {
        source: backwardAdapterJoinWgsl,
        buffers: ["da", "db"],
        tiles: () => adapterTiles,
        grid: ({ N, K, R }) => foldGrid(ceilDiv(R * (N + K), adapterTiles.WORKGROUP)),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ T, N, K, R }) => 4 * ceilDiv(T, BLOCK_TOKENS) * R * (N + K),
    launches: [
      {
        ...smallTile,
        symbol: "lora_matmul_backward_adapter",
        grid: ({ T, N, K, R }) => [
          ceilDiv(T, BLOCK_TOKENS) * smallTiles(R, 1) * (smallTiles(K, 1) + smallTiles(N, 1)),
          1,
          1,
        ],
      },
      {
        symbol: "lora_matmul_backward_adapter_join",
        grid: ({ N, K, R }) => [ceilDiv(R * (N + K), 256), 1, 1],
        block: () => [256, 1, 1],
      },
    ],
  },
});

/** weight += scale b a: folds an adapter into the weight, or takes it out again where scale is negative. */
export const merge = pass({
  label: "lora-matmul/merge",
  buffers: { weight: update("N K"), a: read("R K"), b: read("N R") },
  params: { N: "u32", K: "u32", R: "u32", scale: "f32" },
  reference: reference.merge,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "lora_matmul_merge", cells: ({ N, K }) => ceilDiv(N, 96) * ceilDiv(K, 512) }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: mergeWgsl,
        tiles: () => ({ WORKGROUP: 64 }),
        grid: ({ N, K }) => foldGrid(ceilDiv(N * K, 64)),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: [{ ...smallTile, symbol: "lora_matmul_merge", grid: ({ N, K }) => [smallTiles(N, K), 1, 1] }],
  },
});
