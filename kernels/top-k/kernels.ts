/** K of README.md's letters is here the number of values kept. */
import { foldGrid } from "../common/wgsl/grid.js";
import { rowThreads } from "../common/wgsl/rows.js";
import { ALL_FLOATS, ceilDiv, type ParamValues, pass, read, rowGrain, write } from "../contract.js";
import backwardWgsl from "./backward.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";
import forwardJoinWgsl from "./forward-join.wgsl.js";
import * as reference from "./reference.js";

const sizes = { T: "u32", V: "u32", K: "u32" } as const;
type Sizes = ParamValues<typeof sizes>;

/** Columns that one cell searches: rows of a large vocabulary are shared out. */
const COLUMNS = 32768;
const blocks = ({ V }: Sizes) => ceilDiv(V, COLUMNS);

/** Columns of a workgroup: fewer, since it reads them K times. */
const GPU_COLUMNS = 4096;
const gpuBlocks = ({ V }: Sizes) => ceilDiv(V, GPU_COLUMNS);

/** SEGMENT, WARPS and COLUMNS of forward.cu, PART of backward.cu. */
const WARP_COLUMNS = 512;
const BLOCK_WARPS = 16;
const BLOCK_COLUMNS = WARP_COLUMNS * BLOCK_WARPS;
const cudaBlocks = ({ V }: Sizes) => ceilDiv(V, BLOCK_COLUMNS);
const BACKWARD_PART = 8192;

export const forward = pass({
  label: "top-k/forward",
  buffers: { x: read("T V"), values: write("T K"), indices: write("T K", "i32") },
  params: sizes,
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => p.T * blocks(p) * p.K * 8,
    launches: [
      {
        symbol: "top_k_forward",
        cells: (p) => p.T * blocks(p),
        grain: ({ V, K }) => rowGrain(Math.min(V, COLUMNS) / 2 + 32 * K),
      },
      {
        symbol: "top_k_forward_join",
        cells: ({ T }) => T,
        grain: (p) => rowGrain(16 * p.K * (1 + Math.log2(blocks(p)))),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: (p) => p.T * gpuBlocks(p) * p.K * 8,
    launches: [
      {
        source: forwardWgsl,
        tiles: ({ V }, limits) => ({ WORKGROUP: rowThreads(Math.min(V, GPU_COLUMNS), limits), COLUMNS: GPU_COLUMNS }),
        grid: (p) => foldGrid(p.T * gpuBlocks(p)),
        buffers: ["x"],
      },
      {
        source: forwardJoinWgsl,
        tiles: (p, limits) => ({ WORKGROUP: rowThreads(gpuBlocks(p) * p.K, limits), COLUMNS: GPU_COLUMNS }),
        grid: ({ T }) => foldGrid(T),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => (p.V > WARP_COLUMNS ? 8 * p.T * cudaBlocks(p) * Math.min(p.K, BLOCK_COLUMNS) : 0),
    launches: [
      {
        symbol: "top_k_forward_rows",
        grid: ({ T, V }) => [V > WARP_COLUMNS ? 0 : ceilDiv(T, 8), 1, 1],
        block: () => [256, 1, 1],
      },
      {
        symbol: "top_k_forward",
        grid: (p) => [p.V > WARP_COLUMNS ? p.T * cudaBlocks(p) : 0, 1, 1],
        block: () => [512, 1, 1],
        sharedBytes: ({ K }) => 8 * BLOCK_WARPS * Math.min(K, WARP_COLUMNS),
      },
      {
        symbol: "top_k_forward_join",
        grid: (p) => [cudaBlocks(p) > 1 ? p.T : 0, 1, 1],
        block: () => [1024, 1, 1],
      },
    ],
  },
});

export const backward = pass({
  label: "top-k/backward",
  buffers: { dy: read("T K"), indices: read("T K", "i32"), dx: write("T V") },
  params: sizes,
  reference: reference.backward,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "top_k_backward", cells: ({ T }) => T, grain: ({ V }) => rowGrain(V) }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: backwardWgsl,
        tiles: () => ({ WORKGROUP: 64, COLUMNS: GPU_COLUMNS }),
        grid: (p) => foldGrid(p.T * gpuBlocks(p)),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: [
      {
        symbol: "top_k_backward",
        grid: ({ T, V }) => [ceilDiv(T * V, BACKWARD_PART), 1, 1],
        block: () => [256, 1, 1],
      },
    ],
  },
});
