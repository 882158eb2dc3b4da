import { type CudaLimits, ceilDiv, type FloatDType } from "../contract.js";

/** COLUMN_THREADS, COLUMN_ACROSS and column_blocks of column-blocks.cuh. */
const THREADS = 256;
const ACROSS = 16;
const blocks = (T: number) => Math.min(256, ceilDiv(T, 64));

interface Sizes {
  readonly T: number;
  readonly N: number;
}

/** A CudaLaunch of a pass with these numbers. */
export interface ColumnLaunch<P> {
  /** Its name without the storage type. */
  readonly symbol: string;
  /** Blocks in x, y, z. */
  grid(params: P, limits: CudaLimits, dtype: FloatDType): readonly [number, number, number];
  /** Threads of a block. */
  block(): readonly [number, number, number];
}

/** Scratch for the sums of blocks of rows. */
export const columnBlockBytes = ({ T, N }: Sizes) => 4 * blocks(T) * N;

/** Sums over rows: `<symbol>` by blocks of them, then `<symbol>_join`, where `joins`. */
export const columnBlocks = /* @__NO_SIDE_EFFECTS__ */ <P extends Sizes>(
  symbol: string,
  joins: (params: P) => boolean,
): ColumnLaunch<P>[] => [
  {
    symbol,
    grid: ({ T, N }, _, dtype) => [ceilDiv(N, ACROSS * (dtype === "f32" ? 4 : 8)), blocks(T), 1],
    block: () => [THREADS, 1, 1],
  },
  {
    symbol: `${symbol}_join`,
    grid: (params) => [joins(params) ? ceilDiv(params.N, THREADS) : 0, 1, 1],
    block: () => [THREADS, 1, 1],
  },
];
