import { threads as cudaThreads, vectors as cudaVectors, oneThread } from "../common/cuda/grid.js";
import { perElement, threads } from "../common/wgsl/grid.js";
import { ceilDiv, pass, read, write } from "../contract.js";
import copyWgsl from "./copy.wgsl.js";
import launchWgsl from "./launch.wgsl.js";
import multiplyAddWgsl from "./multiply-add.wgsl.js";
import * as reference from "./reference.js";

/** Sums of a cell in multiply-add.cpp: whole blocks of registers by any instruction set. */
const CELL = 384;
/** Sums of a thread: in multiply-add.wgsl, and in multiply-add.cu. */
const WGSL_SUMS = 12;
const CUDA_SUMS = 16;

/** What a device does at most: loops with nothing else in them, which the benchmarks time. No op is made of these. */
export const multiplyAdd = pass({
  label: "ceiling/multiply-add",
  buffers: { y: write("n", "f32") },
  params: { n: "u32", steps: "u32", factor: "f32", term: "f32" },
  reference: reference.multiplyAdd,
  cpu: { dtypes: ["f32"], launches: [{ symbol: "ceiling_multiply_add", cells: ({ n }) => ceilDiv(n, CELL) }] },
  webgpu: {
    dtypes: ["f32"],
    launches: [threads<{ readonly n: number }>(multiplyAddWgsl, ({ n }) => ceilDiv(n, WGSL_SUMS))],
  },
  cuda: {
    dtypes: ["f32"],
    launches: [cudaThreads<{ readonly n: number }>("ceiling_multiply_add", ({ n }) => ceilDiv(n, CUDA_SUMS))],
  },
});

/** The tile that a warp multiplies over and over: M × N sums of K products. */
export const MATRIX = { M: 64, N: 32, K: 16 } as const;
const WARPS = 8;

/** By matrix units with operands of 16 bits. Devices without them multiply such values in f32, as `multiplyAdd` does. */
export const matrixMultiplyAdd = pass({
  label: "ceiling/matrix-multiply-add",
  buffers: { left: read("64 16"), right: read("16 32"), y: write("B 64 32", "f32") },
  params: { B: "u32", steps: "u32" },
  reference: reference.matrixMultiplyAdd,
  cuda: {
    dtypes: ["bf16", "f16"],
    launches: [
      {
        symbol: "ceiling_matrix_multiply_add",
        grid: ({ B }) => [ceilDiv(B, WARPS), 1, 1],
        block: () => [32 * WARPS, 1, 1],
      },
    ],
  },
});

export const copy = pass({
  label: "ceiling/copy",
  buffers: { x: read("n", "f32"), y: write("n", "f32") },
  params: { n: "u32" },
  reference: reference.copy,
  cpu: { dtypes: ["f32"], launches: [{ symbol: "ceiling_copy", cells: ({ n }) => n, grain: () => 1 << 18 }] },
  webgpu: { dtypes: ["f32"], launches: [perElement(copyWgsl)] },
  cuda: { dtypes: ["f32"], launches: [cudaVectors<{ readonly n: number }>("ceiling_copy", ({ n }) => n)] },
});

/** As good as no work: what it takes is the launch. */
export const launch = pass({
  label: "ceiling/launch",
  buffers: { y: write("1", "u32") },
  params: { value: "u32" },
  reference: reference.launch,
  cpu: { dtypes: ["f32"], launches: [{ symbol: "ceiling_launch", cells: () => 1 }] },
  webgpu: {
    dtypes: ["f32"],
    launches: [{ source: launchWgsl, tiles: () => ({ WORKGROUP: 1 }), grid: () => [1, 1, 1] }],
  },
  cuda: { dtypes: ["f32"], launches: [oneThread("ceiling_launch")] },
});
