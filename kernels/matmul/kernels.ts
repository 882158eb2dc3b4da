import { FEW_COLUMNS, FEW_ROWS, fewLaunch, gemmLaunches } from "../common/cuda/gemm.js";
import { foldGrid } from "../common/wgsl/grid.js";
import { productLaunches } from "../common/wgsl/product.js";
import {
  ALL_FLOATS,
  type Cut,
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
import backwardActivationWgsl from "./backward-activation.wgsl.js";
import backwardActivationJoinWgsl from "./backward-activation-join.wgsl.js";
import backwardBiasWgsl from "./backward-bias.wgsl.js";
import backwardBiasJoinWgsl from "./backward-bias-join.wgsl.js";
import { columnBlockBytes, columnBlocks } from "./column-blocks.js";
import forwardWgsl from "./forward.wgsl.js";
import { type GemmShape, gemmPlan, joinCells, packCells, SKINNY_COLS, SKINNY_ROWS, scratchFloats } from "./plan.js";
import * as reference from "./reference.js";

const forwardParams = {
  B: "u32",
  M: "u32",
  N: "u32",
  K: "u32",
  transposeA: "u32",
  transposeB: "u32",
  /** 1: the operand has a matrix for each batch; 0: all share one. */
  batchedA: "u32",
  batchedB: "u32",
  /** kernels/matmul/activation.ts */
  activation: "u32",
  /** 1: adds to y; then without an activation. */
  accumulate: "u32",
  hasBias: "u32",
  hasPreactivation: "u32",
} as const;

type Numbers<Names extends string> = Readonly<Record<Names, number>>;
type ForwardParams = ParamValues<typeof forwardParams>;
type ForwardShape = GemmShape & { batchedA: number; batchedB: number };

const skinny = ({ M }: GemmShape) => M <= SKINNY_ROWS;
/** Matrices that are packed: an operand shared by all batches is packed once. */
const batches = ({ B, batchedA, batchedB }: ForwardShape) => ({ a: batchedA ? B : 1, b: batchedB ? B : 1 });

const forwardSize = (p: ForwardParams) => ({
  ...p,
  aligned: (p.transposeA ? p.M : p.K) % 4 === 0 && (p.transposeB ? p.K : p.N) % 4 === 0,
  leftAlongK: !p.transposeA,
  rightAlongK: Boolean(p.transposeB),
});

const isFew = ({ M }: GemmShape) => M <= FEW_ROWS;
const isNarrow = (p: ForwardParams) => !isFew(p) && p.N <= (p.transposeA ? FEW_ROWS : FEW_COLUMNS);
const cudaShape = (p: ForwardParams) => ({
  ...{ B: p.B, M: p.M, N: p.N, K: p.K },
  lines: [p.transposeA ? p.M : p.K, p.transposeB ? p.K : p.N],
  crossed: p.transposeA === 1 && p.transposeB === 1,
});

/** Parts begin at whole vectors, since kernels read operands so. */
const VECTOR = 4;

/**
 * By batches, or, of one batch: by rows of y and a; by columns of y, where they are rows of b as it is stored; by what is
 * summed over. Parts of that add up in y, whose epilogue must come with the last of them, and so there may be none. Not in
 * f16: y would round once for each part.
 */
function forwardCut(p: ForwardParams, dtype: FloatDType): readonly Cut<typeof forwardParams>[] {
  const { B, M, N, K } = p;
  if (B > 1) {
    const operands = { ...(p.batchedA && { a: M * K }), ...(p.batchedB && { b: K * N }) };
    return [{ over: "B", along: { ...operands, y: M * N, preactivation: M * N } }];
  }
  const rows: Cut<typeof forwardParams> = {
    over: "M",
    along: { y: N, preactivation: N, ...(!p.transposeA && { a: K }) },
    unit: VECTOR,
  };
  const columns: Cut<typeof forwardParams> = { over: "N", along: { b: K, bias: 1 }, unit: VECTOR };
  const sums: Cut<typeof forwardParams> = {
    over: "K",
    along: { ...(p.transposeA && { a: M }), ...(!p.transposeB && { b: N }) },
    unit: VECTOR,
    later: { accumulate: 1, hasBias: 0 },
  };
  const mayAdd = dtype === "f32" && p.activation === 0 && !p.hasPreactivation;
  return [rows, ...(p.transposeB ? [columns] : []), ...(mayAdd ? [sums] : [])];
}

/** y[b] = act(op(a[b]) op(b[b]) + bias), row-major and contiguous; op transposes. dX and dW are this pass, too. */
export const forward = pass({
  label: "matmul/forward",
  buffers: {
    /** [B|1, M, K], or [B|1, K, M] when transposeA. */
    a: read("M K"),
    /** [B|1, K, N], or [B|1, N, K] when transposeB: the layout of PyTorch's nn.Linear. */
    b: read("K N"),
    bias: optional(read("N")),
    /** Read only when `accumulate`. */
    y: update("B M N"),
    /** The value before the activation, which the backward pass needs. */
    preactivation: optional(write("B M N")),
  },
  params: forwardParams,
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => (skinny(p) ? 0 : 4 * scratchFloats(p, batches(p))),
    launches: [
      { symbol: "matmul_forward_pack", cells: (p) => (skinny(p) ? 0 : packCells(p, batches(p))), grain: () => 1 },
      {
        symbol: "matmul_forward",
        cells: (p) => {
          if (skinny(p)) return p.B * ceilDiv(p.N, SKINNY_COLS);
          const { rowCells, colCells, splits } = gemmPlan(p);
          return p.B * splits * rowCells * colCells;
        },
        grain: (p) => (skinny(p) ? rowGrain(SKINNY_COLS * p.K) : 1),
      },
      {
        symbol: "matmul_forward_join",
        cells: (p) => (skinny(p) ? 0 : joinCells(p)),
        grain: ({ N }) => rowGrain(8 * N),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: productLaunches(forwardWgsl, forwardSize).map((launch) => ({
      ...launch,
      cut: forwardCut,
      places: ["M", "N", "K"] as const,
    })),
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: [
      fewLaunch("matmul_forward_few", (p: ForwardParams) => ({
        batches: isFew(p) && p.M > 0 ? p.B : 0,
        columns: p.N,
        alongK: p.transposeB === 1,
      })),
      fewLaunch("matmul_forward_narrow", (p: ForwardParams) => ({
        batches: isNarrow(p) && p.N > 0 ? p.B : 0,
        columns: p.M,
        alongK: p.transposeA === 0,
      })),
      ...gemmLaunches("matmul_forward", cudaShape, (p, { rows, columns }) =>
        isFew(p) || isNarrow(p) ? 0 : p.B * ceilDiv(p.M, rows) * ceilDiv(p.N, columns),
      ),
    ],
  },
});

/** Rows that one cell of a column sum adds up: fixed, so that the order of the sum is. */
const BLOCK = 64;

/** On WebGPU a thread sums one column of a block, then one thread joins the blocks of a column. */
const columnTiles = () => ({ WORKGROUP: 64, BLOCK });
const blockGrid = ({ T, N }: { T: number; N: number }) => foldGrid(ceilDiv(N, 64) * ceilDiv(T, BLOCK));
/** By whole blocks, whose sums each part writes to where they stand in the scratch memory of all. */
const blockCut = () => ({ over: "T", unit: BLOCK }) as const;
const columnGrid = ({ N }: { N: number }) => foldGrid(ceilDiv(N, 64));

/** dpreactivation = dy ∘ act′(preactivation), and its column sums, the gradient of the bias, in the same pass. */
export const backwardActivation = pass({
  label: "matmul/backward-activation",
  buffers: {
    dy: read("T N"),
    preactivation: read("T N"),
    dpreactivation: write("T N"),
    dbias: optional(write("N")),
  },
  params: { T: "u32", N: "u32", activation: "u32", hasDbias: "u32" },
  reference: reference.backwardActivation,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ T, N, hasDbias }) => (hasDbias ? 4 * ceilDiv(T, BLOCK) * N : 0),
    launches: [
      {
        symbol: "matmul_backward_activation",
        cells: ({ T }) => ceilDiv(T, BLOCK),
        grain: ({ N }) => rowGrain(8 * BLOCK * N),
      },
      {
        symbol: "matmul_backward_activation_join",
        cells: ({ N, hasDbias }) => (hasDbias ? ceilDiv(N, BLOCK) : 0),
        grain: ({ T }) => rowGrain(T),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: ({ T, N, hasDbias }) => (hasDbias ? 4 * ceilDiv(T, BLOCK) * N : 0),
    launches: [
      {
        source: backwardActivationWgsl,
        buffers: ["dy", "preactivation", "dpreactivation"],
        tiles: columnTiles,
        grid: blockGrid,
        cut: blockCut,
        places: ["T"],
      },
      {
        source: backwardActivationJoinWgsl,
        buffers: ["dbias"],
        tiles: columnTiles,
        grid: (p) => (p.hasDbias ? columnGrid(p) : [0, 0, 0]),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => (p.hasDbias ? columnBlockBytes(p) : 0),
    launches: columnBlocks("matmul_backward_activation", (p: Numbers<"T" | "N" | "hasDbias">) => p.hasDbias === 1),
  },
});

/** dbias[n] = sum over rows of dy[t,n]. */
export const backwardBias = pass({
  label: "matmul/backward-bias",
  buffers: { dy: read("T N"), dbias: update("N") },
  params: { T: "u32", N: "u32", accumulate: "u32" },
  reference: reference.backwardBias,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ T, N }) => 4 * ceilDiv(T, BLOCK) * N,
    launches: [
      {
        symbol: "matmul_backward_bias",
        cells: ({ T }) => ceilDiv(T, BLOCK),
        grain: ({ N }) => rowGrain(BLOCK * N),
      },
      {
        symbol: "matmul_backward_bias_join",
        cells: ({ N }) => ceilDiv(N, BLOCK),
        grain: ({ T }) => rowGrain(T),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: ({ T, N }) => 4 * ceilDiv(T, BLOCK) * N,
    launches: [
      {
        source: backwardBiasWgsl,
        buffers: ["dy"],
        tiles: columnTiles,
        grid: blockGrid,
        cut: blockCut,
        places: ["T"],
      },
      { source: backwardBiasJoinWgsl, buffers: ["dbias"], tiles: columnTiles, grid: columnGrid },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: columnBlockBytes,
    launches: columnBlocks("matmul_backward_bias", () => true),
  },
});
