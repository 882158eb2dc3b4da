import { columnWidth, threads as cudaThreads, vectors } from "../common/cuda/grid.js";
import { foldGrid, threads } from "../common/wgsl/grid.js";
import { ALL_FLOATS, type Cut, ceilDiv, type ParamValues, pass, read, rowGrain, write } from "../contract.js";
import backwardExtremumWgsl from "./backward-extremum.wgsl.js";
import backwardExtremumClearWgsl from "./backward-extremum-clear.wgsl.js";
import backwardExtremumFindWgsl from "./backward-extremum-find.wgsl.js";
import forwardColumnsWgsl from "./forward-columns.wgsl.js";
import forwardJoinWgsl from "./forward-join.wgsl.js";
import forwardRowsWgsl from "./forward-rows.wgsl.js";
import * as reference from "./reference.js";

const params = { O: "u32", L: "u32", I: "u32", f: "u32", scale: "f32" } as const;
type Sizes = Pick<ParamValues<typeof params>, "O" | "L" | "I">;

/** What one cell reduces, fixed so that the order of a sum is: a run of a row, or rows of a block of columns. */
const RUN = 8192;
const ROWS = 128;
const COLUMNS = 256;

/** Partial results along L. One: the first launch writes y itself, and nothing is left to join. */
const splits = ({ L, I }: Sizes) => Math.max(1, ceilDiv(L, I === 1 ? RUN : ROWS));
const columnBlocks = ({ I }: Sizes) => ceilDiv(I, COLUMNS);

/** On webgpu a workgroup takes a run of such a row; of shorter rows, and of columns, a thread takes one. */
const isLongRow = ({ L, I }: Sizes) => I === 1 && L > 64;
/** As `split_length` in common/wgsl/reduction.wgsl: the last launch joins no more than 256. */
const splitLength = (p: Sizes) => Math.max(isLongRow(p) ? RUN : ROWS, ceilDiv(p.L, 256));
const webgpuSplits = (p: Sizes) => Math.max(1, ceilDiv(p.L, splitLength(p)));
const webgpuCells = (p: Sizes) => p.O * webgpuSplits(p) * p.I;

/** On cuda lanes of a warp share such a row; a block takes a run of a longer one, or of columns. */
const isShortRow = ({ L, I }: Sizes) => I === 1 && L <= 1024;
const CUDA_ROW_THREADS = 128;
/** As `split_length` in forward.cu: the last launch joins no more than 256. */
const cudaSplitLength = ({ L, I }: Sizes) =>
  I === 1 ? Math.max(RUN, 8 * Math.floor((Math.floor(L / 256) + 8) / 8)) : Math.max(ROWS, Math.floor(L / 256) + 1);
const cudaSplits = (p: Sizes) => (isShortRow(p) ? 1 : Math.max(1, ceilDiv(p.L, cudaSplitLength(p))));
const cudaColumnBlocks = ({ I }: Sizes) => ceilDiv(I, columnWidth(I));

/** By what is kept in front; where that is one, by whole splits of what is reduced. */
const forwardCut = (p: Sizes): Cut<typeof params> =>
  p.O > 1 ? { over: "O", along: { x: p.L * p.I, y: p.I } } : { over: "L", along: { x: p.I }, unit: splitLength(p) };

const forColumns = threads(forwardColumnsWgsl, webgpuCells);

/** y[o,i] = scale · f over l of x[o,l,i] */
export const forward = pass({
  label: "reduce/forward",
  buffers: { x: read("O L I"), y: write("O I") },
  params,
  reference: reference.forward,
  cpu: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => (splits(p) > 1 ? p.O * splits(p) * p.I * 4 : 0),
    launches: [
      {
        symbol: "reduce_forward_partial",
        cells: (p) => p.O * splits(p) * columnBlocks(p),
        grain: ({ L, I }) => rowGrain(Math.min(L, I === 1 ? RUN : ROWS) * Math.min(I, COLUMNS)),
      },
      {
        symbol: "reduce_forward_join",
        cells: (p) => (splits(p) > 1 ? p.O * columnBlocks(p) : 0),
        grain: (p) => rowGrain(splits(p) * Math.min(p.I, COLUMNS)),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: (p) => (webgpuSplits(p) > 1 ? 4 * webgpuCells(p) : 0),
    launches: [
      {
        source: forwardRowsWgsl,
        // Barriers are dear on a software adapter, and one vector of threads keeps all its cores as busy.
        tiles: (p, { software }) => (isLongRow(p) ? { WORKGROUP: software ? 8 : 64 } : null),
        grid: (p) => foldGrid(webgpuCells(p)),
        cut: forwardCut,
        places: ["O", "L"],
      },
      {
        ...forColumns,
        tiles: (p) => (isLongRow(p) ? null : forColumns.tiles()),
        cut: forwardCut,
        places: ["O", "L"],
      },
      { ...threads(forwardJoinWgsl, (p: Sizes) => (webgpuSplits(p) > 1 ? p.O * p.I : 0)), buffers: ["y"] },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: (p) => (cudaSplits(p) > 1 ? p.O * cudaSplits(p) * p.I * 4 : 0),
    launches: [
      {
        symbol: "reduce_forward_rows",
        grid: (p) => [isShortRow(p) ? ceilDiv(p.O * columnWidth(ceilDiv(p.L, 4)), CUDA_ROW_THREADS) : 0, 1, 1],
        block: () => [CUDA_ROW_THREADS, 1, 1],
      },
      {
        symbol: "reduce_forward_runs",
        grid: (p) => [p.I === 1 && !isShortRow(p) ? p.O * cudaSplits(p) : 0, 1, 1],
        block: () => [256, 1, 1],
      },
      {
        symbol: "reduce_forward_columns",
        grid: (p) => [p.I === 1 ? 0 : p.O * cudaSplits(p) * cudaColumnBlocks(p), 1, 1],
        block: () => [256, 1, 1],
      },
      {
        symbol: "reduce_forward_join",
        grid: (p) => [cudaSplits(p) > 1 ? p.O * cudaColumnBlocks(p) : 0, 1, 1],
        block: () => [256, 1, 1],
      },
    ],
  },
});

/** dx[o,l,i] = dy[o,i] where x[o,l,i] is the first along l equal to y[o,i], else 0. */
export const backwardExtremum = pass({
  label: "reduce/backward-extremum",
  buffers: { dy: read("O I"), x: read("O L I"), y: read("O I"), dx: write("O L I") },
  params: { O: "u32", L: "u32", I: "u32" },
  reference: reference.backwardExtremum,
  cpu: {
    dtypes: ALL_FLOATS,
    launches: [
      {
        symbol: "reduce_backward_extremum",
        cells: (p) => p.O * columnBlocks(p),
        grain: ({ L, I }) => rowGrain(L * Math.min(I, COLUMNS)),
      },
    ],
  },
  webgpu: {
    dtypes: ["f32", "f16"],
    scratchBytes: ({ O, I }) => 4 * O * I,
    launches: [
      { ...threads(backwardExtremumClearWgsl, ({ O, I }: Sizes) => O * I), buffers: [] },
      { ...threads(backwardExtremumFindWgsl, ({ O, L, I }: Sizes) => O * L * I), buffers: ["x", "y"] },
      { ...threads(backwardExtremumWgsl, ({ O, L, I }: Sizes) => O * L * I), buffers: ["dy", "dx"] },
    ],
  },
  cuda: {
    dtypes: ALL_FLOATS,
    scratchBytes: ({ O, I }) => 4 * O * I,
    launches: [
      cudaThreads("reduce_backward_extremum_clear", ({ O, I }) => O * I),
      vectors("reduce_backward_extremum_find", ({ O, L, I }) => O * L * I),
      vectors("reduce_backward_extremum_put", ({ O, L, I }) => O * L * I),
    ],
  },
});
