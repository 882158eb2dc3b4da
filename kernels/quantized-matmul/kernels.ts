import { foldGrid, over } from "../common/wgsl/grid.js";
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
  write,
} from "../contract.js";
import { gemmPlan } from "../matmul/plan.js";
import backwardInputWgsl from "./backward-input.wgsl.js";
import forwardWgsl from "./forward.wgsl.js";
import forwardFewWgsl from "./forward-few.wgsl.js";
import quantizeWgsl from "./quantize.wgsl.js";
import * as reference from "./reference.js";

/** weight [N, K] to words [N, W]: integers and scales, as format.ts says. A stack [E, N, K] is E N rows. */
export const quantize = pass({
  label: "quantized-matmul/quantize",
  buffers: { weight: read("N K"), y: write("N W", "u32") },
  params: { N: "u32", K: "u32", W: "u32", bits: "u32", group: "u32" },
  reference: reference.quantize,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [{ symbol: "quantized_matmul_quantize", cells: ({ N }) => N, grain: ({ K }) => ceilDiv(rowGrain(K), 4) }],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: quantizeWgsl,
        tiles: () => ({ WORKGROUP: 64 }),
        grid: ({ N, K, group }) => foldGrid(ceilDiv(N * ceilDiv(K, 2 * group), 64)),
        cut: over("N"),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: [
      {
        symbol: "quantized_matmul_quantize",
        grid: ({ N, K, group }) => [ceilDiv(N * ceilDiv(K, 2 * group), 8), 1, 1],
        block: () => [256, 1, 1],
      },
    ],
  },
});

const forwardParams = {
  /** Rows of x, and of y: the same without lists. */
  T: "u32",
  R: "u32",
  /** 1 without lists. */
  E: "u32",
  N: "u32",
  K: "u32",
  W: "u32",
  /** Elements of `lists`. */
  L: "u32",
  bits: "u32",
  group: "u32",
  /** Choices of a token, where rows are gathered by `order`; 0 where x is in the grouped order. */
  gather: "u32",
  /** kernels/matmul/activation.ts */
  activation: "u32",
  hasBias: "u32",
  grouped: "u32",
} as const;
type ForwardParams = ParamValues<typeof forwardParams>;

/** As in few.h: nothing is packed, each row of the weight is read once for up to so many rows of x. */
const FEW_ROWS = 8;
const FEW_COLS = 64;
const isFew = ({ R, grouped }: { R: number; grouped: number }) => grouped === 1 || R <= FEW_ROWS;
/** A row of x as few.h lays it out. */
const spreadFloats = (K: number) => ceilDiv(K, 128) * 128;
/** On WebGPU a workgroup shares K; beyond a few rows threads that have four each read less. */
const isFewOnGpu = ({ R, grouped }: ForwardParams) => grouped === 1 || R <= 4;

/** On CUDA (groups.cuh): pieces of `size` rows; of each expert, and of rows without one, the last may not be full. */
const pieces = ({ R, E, grouped }: Rows, size: number) => (R === 0 ? 0 : ceilDiv(R, size) + (grouped ? E : 0));
type Rows = { R: number; E: number; grouped: number };
/** Rows of an expert if all have as many, and columns of its weight that one of few.cuh's blocks has. */
const rowsOfExpert = ({ R, E, grouped }: Rows) => (grouped ? ceilDiv(R, E) : R);
const CUDA_FEW = [
  { rows: 1, columns: 8 },
  { rows: 4, columns: 8 },
  { rows: 8, columns: 16 },
];
const cudaFew = (p: Rows) =>
  CUDA_FEW.find(({ rows }) => rowsOfExpert(p) <= rows) ??
  (p.grouped && rowsOfExpert(p) <= 16 ? CUDA_FEW[2] : undefined);

/** Two tiles of gemm-tiles.cuh: the larger one where its blocks occupy every multiprocessor. */
const MEDIUM = { name: "medium", side: 128 };
const SMALL = { name: "small", side: 64 };
const wideningLaunches = <P extends Rows>(symbol: string, columns: (p: P) => number, isOther: (p: P) => boolean) => {
  const blocks = (p: P, side: number) => pieces(p, side) * ceilDiv(columns(p), side);
  const tile = (p: P, { multiprocessors }: CudaLimits) =>
    rowsOfExpert(p) > SMALL.side && blocks(p, MEDIUM.side) >= multiprocessors ? MEDIUM : SMALL;
  return [MEDIUM, SMALL].map(({ name, side }) => ({
    symbol: `${symbol}_${name}`,
    grid: (p: P, limits: CudaLimits) =>
      [isOther(p) || tile(p, limits).side !== side ? 0 : blocks(p, side), 1, 1] as const,
    block: (_: P, __: CudaLimits, dtype: FloatDType) =>
      [side === MEDIUM.side && dtype === "f32" ? 256 : 128, 1, 1] as const,
    // Stages of 64 bytes of both sides.
    sharedBytes: (_: P, __: CudaLimits, dtype: FloatDType) =>
      64 * 2 * side * (side === MEDIUM.side && dtype === "f32" ? 3 : 4),
  }));
};

/** y = act(x wᵀ + bias), of one matrix, or of the matrix of each row's expert. */
export const forward = pass({
  label: "quantized-matmul/forward",
  buffers: {
    x: read("T K"),
    weight: read("E N W", "u32"),
    bias: optional(read("E N")),
    /** offsets[E+1], then as the routing's record: counts[E], order[R] (read where rows are gathered). */
    lists: optional(read("L", "i32")),
    y: write("R N"),
  },
  params: forwardParams,
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => (isFew(p) ? 4 * p.T * spreadFloats(p.K) : 0),
    launches: [
      {
        symbol: "quantized_matmul_forward_rows",
        cells: (p) => (isFew(p) ? p.T : 0),
        grain: ({ K }) => rowGrain(K),
      },
      {
        symbol: "quantized_matmul_forward",
        cells: (p) => {
          if (isFew(p)) return p.E * ceilDiv(p.N, FEW_COLS);
          const { rowCells, colCells } = gemmPlan({ B: 1, M: p.R, N: p.N, K: p.K });
          return rowCells * colCells;
        },
        grain: (p) => (isFew(p) ? rowGrain((FEW_COLS * p.K) / 8) : 1),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: forwardFewWgsl,
        tiles: (p, { software }) => (isFewOnGpu(p) ? { WORKGROUP: software ? 8 : 64, BITS: p.bits } : null),
        grid: ({ R, N }) => foldGrid(R * ceilDiv(N, 4)),
        cut: ({ R, W, grouped }) =>
          grouped === 0 && R === 1 ? { over: "N", along: { weight: W, bias: 1, y: 1 }, unit: 4 } : null,
      },
      {
        source: forwardWgsl,
        tiles: (p) => (isFewOnGpu(p) ? null : { WORKGROUP: 64, BITS: p.bits }),
        grid: ({ R, N }) => foldGrid(ceilDiv(ceilDiv(R, 4) * ceilDiv(N, 4), 64)),
        cut: ({ N, K }) => ({ over: "R", along: { x: K, y: N } }),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: [
      ...CUDA_FEW.map(({ rows, columns }) => ({
        symbol: `quantized_matmul_forward_few_${rows}`,
        grid: (p: ForwardParams) =>
          [cudaFew(p)?.rows === rows ? pieces(p, rows) * ceilDiv(p.N, columns) : 0, 1, 1] as const,
        block: () => [128, 1, 1] as const,
      })),
      ...wideningLaunches<ForwardParams>(
        "quantized_matmul_forward",
        ({ N }) => N,
        (p) => cudaFew(p) !== undefined,
      ),
    ],
  },
});

/** dx = dy w: the weight itself is frozen. Rows of dx are in the grouped order, as those of dy. */
export const backwardInput = pass({
  label: "quantized-matmul/backward-input",
  buffers: {
    dy: read("R N"),
    weight: read("E N W", "u32"),
    lists: optional(read("L", "i32")),
    dx: write("R K"),
  },
  params: {
    R: "u32",
    E: "u32",
    N: "u32",
    K: "u32",
    W: "u32",
    L: "u32",
    bits: "u32",
    group: "u32",
    grouped: "u32",
  },
  reference: reference.backwardInput,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [
      {
        symbol: "quantized_matmul_backward_input",
        cells: ({ R, E, N, K, grouped }) => {
          if (grouped) return E * ceilDiv(K, 128);
          const { rowCells, colCells } = gemmPlan({ B: 1, M: R, N: K, K: N });
          return rowCells * colCells;
        },
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    launches: [
      {
        source: backwardInputWgsl,
        tiles: ({ bits, grouped }) => ({ WORKGROUP: 64, BITS: bits, ROWS: grouped ? 1 : 4 }),
        grid: ({ R, K, grouped }) => foldGrid(ceilDiv(ceilDiv(R, grouped ? 1 : 4) * (K / 8), 64)),
        cut: ({ N, K, grouped }) => (grouped ? null : { over: "R", along: { dy: N, dx: K } }),
      },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    launches: wideningLaunches<Rows & { K: number }>(
      "quantized_matmul_backward_input",
      ({ K }) => K,
      () => false,
    ),
  },
});
