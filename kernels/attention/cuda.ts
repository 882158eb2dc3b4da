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
/** Tiles of the prefix, then of each batch row's keys. */
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

/** A kernel of each width without dropout, and one with: random numbers take registers from its tiles. */
const tiled = (make: (width: number, drops: boolean) => Launch): Launch[] =>
  TILED_WIDTHS.flatMap((width) => [make(width, false), make(width, true)]);
const suffix = (width: number, drops: boolean) => `tiled_${width}${drops ? "_drops" : ""}`;
const isTiled = (p: Sizes, width: number, drops: boolean) => isFor(p, width, TILED_WIDTHS) && p.dropout > 0 === drops;

/** ForwardShape and ForwardPlain: queries of a block, and keys at a time. */
const forwardRows = (width: number) => (width > 128 ? 64 : 128);
const forwardKeys = (width: number, drops: boolean) => (drops && width > 64 ? 32 : 64);
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
    ...tiled((width, drops) => ({
      symbol: `attention_forward_${suffix(width, drops)}`,
      dtypes: HALVES,
      grid: (p) => (!few(p) && isTiled(p, width, drops) ? queryTiles(p, forwardRows(width)) : NONE),
      block: () => [128, 1, 1],
      sharedBytes: () => tiledBytes(forwardRows(width) + 2 * forwardKeys(width, drops), width),
    })),
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

/** QueryShape, KeyShape and BackwardPlain: rows that a block owns, and rows at a time of those that it steps through. */
const queryRows = (width: number) => (width > 128 ? 64 : 128);
const queryStep = (width: number, drops: boolean) => (width > (drops ? 96 : 128) ? 16 : 32);
const keyRows = (width: number, drops: boolean) => (width > 64 || drops ? 64 : 128);
const keyStep = (width: number, drops: boolean) => (width > 128 ? 16 : width > 64 && !drops ? 64 : 32);
const keyStages = (width: number) => (width > 64 ? 3 : 4);
const backwardPlainTile = (width: number) => 4096 / width;
/** Bytes of lse and delta of a query. */
const QUERY_SCALARS = 8;

function keyTiled(of: "key" | "value", width: number, drops: boolean): Launch {
  const [owned, step] = [keyRows(width, drops), keyStep(width, drops)];
  return {
    symbol: `attention_backward_${of}_${suffix(width, drops)}`,
    dtypes: HALVES,
    grid: (p) => (isTiled(p, width, drops) ? keyTiles(p, owned) : NONE),
    block: () => [128, 1, 1],
    // With two stages of scalars, and of a bit for each query of a step and key.
    sharedBytes: () =>
      tiledBytes(2 * owned + keyStages(width) * step, width) + 2 * step * (QUERY_SCALARS + (drops ? owned / 8 : 0)),
  };
}

export const backward: Pass = {
  dtypes: ALL_FLOATS,
  scratchBytes: ({ B, H, L }) => B * H * L * QUERY_SCALARS,
  launches: [
    {
      symbol: "attention_backward_delta",
      grid: ({ B, H, L }) => [ceilDiv(B * H * L, 16), 1, 1],
      block: () => [128, 1, 1],
    },
    ...tiled((width, drops) => ({
      symbol: `attention_backward_query_${suffix(width, drops)}`,
      dtypes: HALVES,
      grid: (p) => (isTiled(p, width, drops) ? queryTiles(p, queryRows(width)) : NONE),
      block: () => [128, 1, 1],
      sharedBytes: () => tiledBytes(2 * queryRows(width) + 3 * queryStep(width, drops), width),
    })),
    ...tiled((width, drops) => keyTiled("key", width, drops)),
    ...[false, true].map((drops) => keyTiled("value", 256, drops)),
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
