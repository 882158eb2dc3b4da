import { ALL_FLOATS, type CudaLimits, ceilDiv, type FloatDType } from "../../contract.js";

/** A CudaLaunch of a pass with these numbers. */
export interface NumbersLaunch<P> {
  /** Its name without the storage type. */
  readonly symbol: string;
  /** Storage types that it is there for. */
  readonly dtypes: readonly FloatDType[];
  /** Blocks in x, y, z. */
  grid(params: P, limits: CudaLimits, dtype: FloatDType): readonly [number, number, number];
  /** Threads of a block. */
  block(params: P, limits: CudaLimits, dtype: FloatDType): readonly [number, number, number];
  /** Dynamic shared memory of a block. */
  sharedBytes(params: P, limits: CudaLimits, dtype: FloatDType): number;
}

/** The tiles of gemm-tiles.cuh, by the suffix of a kernel's symbol. */
export type GemmVariant = "large" | "medium" | "small" | "tf32";

/** A tile, as a block computes it. */
export interface GemmTile {
  readonly rows: number;
  readonly columns: number;
  readonly threads: number;
  readonly stages: number;
  /** Bytes of a line of a stage. */
  readonly depth: number;
  /** Blocks that run side by side on a multiprocessor. */
  readonly beside: number;
  /** How fast it multiplies, against the others of its storage type. */
  readonly rate: number;
}

const HALVES: Partial<Record<GemmVariant, GemmTile>> = {
  large: { rows: 256, columns: 128, threads: 256, stages: 4, depth: 64, beside: 1, rate: 1 },
  medium: { rows: 128, columns: 128, threads: 128, stages: 4, depth: 64, beside: 2, rate: 0.95 },
  small: { rows: 64, columns: 64, threads: 128, stages: 4, depth: 64, beside: 4, rate: 0.6 },
};
const FLOATS: Partial<Record<GemmVariant, GemmTile>> = {
  medium: { rows: 128, columns: 128, threads: 256, stages: 3, depth: 64, beside: 1, rate: 1 },
  small: { rows: 64, columns: 64, threads: 128, stages: 4, depth: 64, beside: 3, rate: 0.8 },
};
const TF32: Partial<Record<GemmVariant, GemmTile>> = {
  tf32: { rows: 128, columns: 128, threads: 256, stages: 4, depth: 64, beside: 1, rate: 4 },
};

/** DeepTile in place of the large one. */
const DEEP = { large: { rows: 256, columns: 128, threads: 256, stages: 3, depth: 128, beside: 1, rate: 1 } };

/** What is left of the rate of a tile that has a multiprocessor to itself where the epilogue is long: an estimate. */
const ALONE = 0.7;

/** A chunk of gemm-tile.cuh in values. */
const chunk = (dtype: FloatDType) => (dtype === "f32" ? 4 : 8);
/** Bytes of the stages, a line for each row and column, and of what is kept for each row behind them. */
const sharedBytes = ({ rows, columns, stages, depth }: GemmTile, rowBytes = 0) =>
  depth * stages * (rows + columns) + rowBytes * rows;

/** What a product is chosen by. Of grouped ones, B is the groups and M the rows that one has where all have as many. */
export interface GemmShape {
  readonly B: number;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Rows of the operands as they are stored: the small tile alone takes those that are not whole chunks. */
  readonly lines: readonly number[];
  /** What it keeps in shared memory for each row of its tile. Default 0. */
  readonly rowBytes?: number;
  /** Its epilogue reads and computes about as long as it multiplies: another block should multiply meanwhile. */
  readonly longEpilogue?: boolean;
  /** Its kernels have the deep tile for the large one. */
  readonly deep?: boolean;
  /** Both operands transposed: the small tile alone takes them. */
  readonly crossed?: boolean;
}

/** The tile that is done first, by rounds of blocks on all multiprocessors: by shape and GPU alone, so that results repeat. */
export function gemmVariant(shape: GemmShape, limits: CudaLimits, dtype: FloatDType): GemmVariant {
  const { B, M, N, lines, rowBytes, longEpilogue, crossed } = shape;
  if (crossed || lines.some((length) => length % chunk(dtype) !== 0)) return "small";
  const tiles = tilesOf(dtype, shape, dtype !== "f32" || limits.tf32);
  let best: GemmVariant = "small";
  let least = Number.POSITIVE_INFINITY;
  for (const [variant, tile] of Object.entries(tiles) as [GemmVariant, GemmTile][]) {
    if (sharedBytes(tile, rowBytes) > limits.maxSharedBytes) continue;
    const { rows, columns, beside, rate } = tile;
    const rounds = ceilDiv(B * ceilDiv(M, rows) * ceilDiv(N, columns), beside * limits.multiprocessors);
    const time = (rounds * beside * rows * columns) / (longEpilogue && beside === 1 ? ALONE * rate : rate);
    if (time < least) {
      least = time;
      best = variant;
    }
  }
  return best;
}

/** The tiles of a storage type; of f32 those that round to tf32 where that is `rounded`. */
function tilesOf(dtype: FloatDType, { deep }: Pick<GemmShape, "deep">, rounded = true) {
  if (dtype === "f32") return rounded ? { ...FLOATS, ...TF32 } : FLOATS;
  return deep ? { ...HALVES, ...DEEP } : HALVES;
}
const tileOf = (variant: GemmVariant, dtype: FloatDType, shape: GemmShape): GemmTile => {
  const tile: GemmTile | undefined = tilesOf(dtype, shape)[variant];
  if (!tile) throw new RangeError(`products of ${dtype} have no ${variant} tile`);
  return tile;
};

/**
 * The launches of a kernel over the tiles of gemm-tiles.cuh, `<symbol>_<variant>`, of which a call takes one. `blocks` is their
 * count for a tile, 0 where another launch of the pass is for the call.
 */
export const gemmLaunches = /* @__NO_SIDE_EFFECTS__ */ <P>(
  symbol: string,
  shape: (params: P) => GemmShape,
  blocks: (params: P, tile: GemmTile) => number,
): NumbersLaunch<P>[] =>
  (["large", "medium", "small", "tf32"] as const).map((variant) => ({
    symbol: `${symbol}_${variant}`,
    dtypes: ALL_FLOATS.filter((dtype) => tilesOf(dtype, {})[variant]),
    grid: (params, limits, dtype) => [
      gemmVariant(shape(params), limits, dtype) === variant ? blocks(params, tileOf(variant, dtype, shape(params))) : 0,
      1,
      1,
    ],
    block: (params, _, dtype) => [tileOf(variant, dtype, shape(params)).threads, 1, 1],
    sharedBytes: (params, _, dtype) => {
      const of = shape(params);
      return sharedBytes(tileOf(variant, dtype, of), of.rowBytes);
    },
  }));

/** Rows, or columns, up to which gemm-few.cuh multiplies; columns where the left operand lies along k. */
export const FEW_ROWS = 8;
export const FEW_COLUMNS = 16;
/** Columns and threads of a block where the right operand lies along k, and chunks of columns and threads otherwise. */
const FEW_BLOCK = { columns: 16, threads: 256 };
const FEW_ACROSS = { chunks: 4, threads: 512 };

/**
 * A launch of gemm-few.cuh: blocks for each of `batches`, which is 0 where another launch is for the call. Of few columns,
 * `columns` are rows of the left operand, and `alongK` tells how that lies.
 */
export const fewLaunch = /* @__NO_SIDE_EFFECTS__ */ <P>(
  symbol: string,
  size: (params: P) => { batches: number; columns: number; alongK: boolean },
): NumbersLaunch<P> => ({
  symbol,
  dtypes: ALL_FLOATS,
  grid: (params, _, dtype) => {
    const { batches, columns, alongK } = size(params);
    return [batches * ceilDiv(columns, alongK ? FEW_BLOCK.columns : FEW_ACROSS.chunks * chunk(dtype)), 1, 1];
  },
  block: (params) => [(size(params).alongK ? FEW_BLOCK : FEW_ACROSS).threads, 1, 1],
  sharedBytes: () => 0,
});
