/**
 * The launches of CUDA: in tiles on the tensor cores for values of 16 bits, in tiles of f32, and, where few rows share a
 * key/value head, with the keys split over blocks. One symbol for each width that D is rounded up to, which registers and
 * shared memory hold; every kernel fits into 99 KiB of the latter, what the smallest of the GPUs has.
 */
import { ALL_FLOATS, type CudaLaunch, type CudaLaunches, ceilDiv, type FloatDType } from "../contract.js";
import { type params, rows, type Sizes } from "./problem.js";

type Launch = CudaLaunch<typeof params>;
type Pass = CudaLaunches<typeof params>;

const NONE = [0, 0, 0] as const;
const HALVES: readonly FloatDType[] = ["bf16", "f16"];
const TILED_WIDTHS = [32, 64, 96, 128, 256];
const PLAIN_WIDTHS = [64, 128, 256];

/** Whether a kernel of `width` is for heads of D: it is the least that holds them. */
function isFor({ D }: Sizes, width: number, widths: readonly number[]): boolean {
  if (D > 256)
    throw new RangeError(
      `attention: a head width of ${D} is above 256, the widest that the cuda device has kernels for.`,
    );
  return D <= width && D > (widths[widths.indexOf(width) - 1] ?? -1);
}

const queryTiles = ({ B, H, L }: Sizes, tile: number) => [B * H * ceilDiv(L, tile), 1, 1] as const;
/** Tiles of each batch row's keys, then of the prefix. */
const keyTiles = ({ B, G, S, P }: Sizes, tile: number) =>
  [B * G * ceilDiv(S, tile) + G * ceilDiv(P, tile), 1, 1] as const;

/** Bytes of tiles of 16-bit values, whose rows are 16 bytes longer. */
const tiledBytes = (rowCount: number, width: number) => rowCount * (width + 8) * 2;
/** Bytes of `count` square tiles of f32, and of weights of a tile's size. */
const plainBytes = (count: number, tile: number, width: number) => 4 * tile * (count * (width + 4) + tile + 4);

/** As in forward-few.cuh: up to 16 rows, eight to a block; the keys are split until there are about as many blocks. */
const FEW_ROWS = 8;
const FEW_BLOCKS = 1024;
const FEW_KEYS = 128;
const FEW_THREADS = 128;
const few = (p: Sizes) => rows(p) <= 2 * FEW_ROWS;
const fewBlocks = (p: Sizes) => p.B * p.G * ceilDiv(rows(p), FEW_ROWS);
const fewSplits = (p: Sizes) =>
  Math.max(1, Math.min(ceilDiv(FEW_BLOCKS, Math.max(1, fewBlocks(p))), ceilDiv(p.P + p.S, FEW_KEYS)));
const joins = (p: Sizes) => few(p) && fewSplits(p) > 1;

/** ForwardShape and ForwardPlain: queries of a block, and keys at a time. */
const forwardRows = (width: number) => (width > 128 ? 64 : 128);
const FORWARD_KEYS = 64;
const forwardPlainTile = (width: number) => (width > 128 ? 32 : 64);

const fewLaunch = (count: number, least: number): Launch => ({
  symbol: `attention_forward_few_${count}`,
  grid: (p) => {
    isFor(p, 256, [256]);
    const own = Math.min(FEW_ROWS, rows(p));
    return few(p) && own <= count && own > least ? [fewBlocks(p) * fewSplits(p), 1, 1] : NONE;
  },
  block: () => [FEW_THREADS, 1, 1],
});

export const forward: Pass = {
  dtypes: ALL_FLOATS,
  scratchBytes: (p) => (joins(p) ? 4 * p.B * p.H * p.L * fewSplits(p) * (p.D + 2) : 0),
  launches: [
    ...TILED_WIDTHS.map(
      (width): Launch => ({
        symbol: `attention_forward_tiled_${width}`,
        dtypes: HALVES,
        grid: (p) => (!few(p) && isFor(p, width, TILED_WIDTHS) ? queryTiles(p, forwardRows(width)) : NONE),
        block: () => [128, 1, 1],
        sharedBytes: () => tiledBytes(forwardRows(width) + 2 * FORWARD_KEYS, width),
      }),
    ),
    ...PLAIN_WIDTHS.map(
      (width): Launch => ({
        symbol: `attention_forward_plain_${width}`,
        dtypes: ["f32"],
        grid: (p) => (!few(p) && isFor(p, width, PLAIN_WIDTHS) ? queryTiles(p, forwardPlainTile(width)) : NONE),
        block: () => [256, 1, 1],
        sharedBytes: () => plainBytes(2, forwardPlainTile(width), width),
      }),
    ),
    ...[1, 2, 4, 8].map((count, n) => fewLaunch(count, [0, 1, 2, 4][n])),
    {
      symbol: "attention_forward_few_join",
      grid: (p) => (joins(p) ? [p.B * p.H * p.L, 1, 1] : NONE),
      block: () => [FEW_THREADS, 1, 1],
    },
  ],
};

/** BackwardShape and BackwardPlain: rows that a block owns, and rows at a time of those that it steps through. */
const BACKWARD_OWNED = 64;
const backwardStep = (width: number) => (width > 128 ? 16 : 64);
const backwardPlainTile = (width: number) => 4096 / width;
/** Bytes of lse and delta of a query. */
const QUERY_SCALARS = 8;

const keyTiled = (width: number, of: "key" | "value"): Launch => ({
  symbol: `attention_backward_${of}_tiled_${width}`,
  dtypes: HALVES,
  grid: (p) => (isFor(p, width, TILED_WIDTHS) ? keyTiles(p, BACKWARD_OWNED) : NONE),
  block: () => [128, 1, 1],
  // With two stages of scalars and a word of survivors for each query of a step.
  sharedBytes: () =>
    tiledBytes(2 * BACKWARD_OWNED + 3 * backwardStep(width), width) + backwardStep(width) * (2 * QUERY_SCALARS + 8),
});

export const backward: Pass = {
  dtypes: ALL_FLOATS,
  scratchBytes: ({ B, H, L }) => B * H * L * QUERY_SCALARS,
  launches: [
    {
      symbol: "attention_backward_delta",
      grid: ({ B, H, L }) => [ceilDiv(B * H * L, 16), 1, 1],
      block: () => [128, 1, 1],
    },
    ...TILED_WIDTHS.map(
      (width): Launch => ({
        symbol: `attention_backward_query_tiled_${width}`,
        dtypes: HALVES,
        grid: (p) => (isFor(p, width, TILED_WIDTHS) ? queryTiles(p, BACKWARD_OWNED) : NONE),
        block: () => [128, 1, 1],
        sharedBytes: () => tiledBytes(2 * BACKWARD_OWNED + 3 * backwardStep(width), width),
      }),
    ),
    ...TILED_WIDTHS.map((width) => keyTiled(width, "key")),
    keyTiled(256, "value"),
    ...PLAIN_WIDTHS.flatMap((width): Launch[] =>
      [
        { of: "query", grid: queryTiles },
        { of: "key", grid: keyTiles },
      ].map(({ of, grid }) => ({
        symbol: `attention_backward_${of}_plain_${width}`,
        dtypes: ["f32"],
        grid: (p) => (isFor(p, width, PLAIN_WIDTHS) ? grid(p, backwardPlainTile(width)) : NONE),
        block: () => [256, 1, 1],
        sharedBytes: () => plainBytes(4, backwardPlainTile(width), width),
      })),
    ),
  ],
};
