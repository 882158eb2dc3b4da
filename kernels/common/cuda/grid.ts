import { type CudaLimits, ceilDiv, type FloatDType } from "../../contract.js";

/** Of a block; also in elements.cuh. */
const THREADS = 256;

/** Bytes of a stored value. */
export const BYTES: Readonly<Record<FloatDType, number>> = { f32: 4, bf16: 2, f16: 2 };

/** A launch whose threads work each for themselves. */
export interface ThreadLaunch<P> {
  /** Its name without the storage type. */
  readonly symbol: string;
  /** Blocks in x, y, z. */
  grid(params: P, limits: CudaLimits, dtype: FloatDType): readonly [number, number, number];
  /** Threads of a block. */
  block(): readonly [number, number, number];
}

/** A launch with a thread for each of `count(params)` cells. */
export const threads = /* @__NO_SIDE_EFFECTS__ */ <P = Readonly<Record<string, number>>>(
  symbol: string,
  count: (params: P) => number,
): ThreadLaunch<P> => ({
  symbol,
  grid: (params) => [ceilDiv(count(params), THREADS), 1, 1],
  block: () => [THREADS, 1, 1],
});

/**
 * A launch with a thread for every 16 bytes of `count(params)` elements, as `Part` in elements.cuh shares them out; of the
 * storage type of the call, unless a buffer of the pass has a wider one.
 */
export const vectors = /* @__NO_SIDE_EFFECTS__ */ <P = Readonly<Record<string, number>>>(
  symbol: string,
  count: (params: P) => number,
  widest?: FloatDType,
): ThreadLaunch<P> => ({
  symbol,
  grid: (params, _, dtype) => [ceilDiv(count(params) * BYTES[widest ?? dtype], THREADS * 16), 1, 1],
  block: () => [THREADS, 1, 1],
});

/** The same of the n elements that elementwise passes have. */
export const perElement = /* @__NO_SIDE_EFFECTS__ */ (symbol: string, widest?: FloatDType) =>
  vectors<{ readonly n: number }>(symbol, ({ n }) => n, widest);

/** Columns that a block works down, of I: `column_width` in columns.cuh. */
export function columnWidth(I: number): number {
  let width = 1;
  while (width < 32 && width < I) width *= 2;
  return width;
}

/** A launch of a single thread. */
export const oneThread = /* @__NO_SIDE_EFFECTS__ */ (symbol: string): ThreadLaunch<unknown> => ({
  symbol,
  grid: () => [1, 1, 1],
  block: () => [1, 1, 1],
});
