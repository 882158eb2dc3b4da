import { type CudaLimits, ceilDiv, type FloatDType } from "../../contract.js";
import { BYTES } from "./grid.js";

/** The kernels of ROW_KERNELS in held-row.cuh: threads of a row, and the most bytes of one that they hold. */
const SHAPES = {
  narrow: { lanes: 8, bytes: 256 },
  warp: { lanes: 32, bytes: 2048 },
  wide: { lanes: 512, bytes: 32768 },
  long: { lanes: 1024, bytes: Number.POSITIVE_INFINITY },
} as const;
type Shape = keyof typeof SHAPES;

/** Bytes of the vectors of 16 that a row touches, at most. */
function rowBytes(columns: number, dtype: FloatDType): number {
  const bytes = columns * BYTES[dtype];
  return bytes % 16 === 0 ? bytes : 16 * (ceilDiv(bytes, 16) + 1);
}

const shapeOf = (columns: number, dtype: FloatDType) =>
  (Object.keys(SHAPES) as Shape[]).find((shape) => rowBytes(columns, dtype) <= SHAPES[shape].bytes);

/** Groups of lanes: as many rows in a block as leave no multiprocessor without one. */
function laneThreads(lanes: number, rows: number, { multiprocessors }: CudaLimits): number {
  const wanted = ceilDiv(ceilDiv(rows, multiprocessors) * lanes, 32) * 32;
  return Math.min(256, Math.max(32, wanted));
}

/** A block for each row: four vectors for a thread, as far as that goes. */
function rowThreads(shape: Shape, columns: number, dtype: FloatDType): number {
  const wanted = ceilDiv(rowBytes(columns, dtype), 4 * 16 * 32) * 32;
  return Math.min(SHAPES[shape].lanes, Math.max(128, wanted));
}

/** A launch over rows. */
export interface RowLaunch<P> {
  /** Its name without the storage type. */
  readonly symbol: string;
  /** Blocks in x, y, z. */
  grid(params: P, limits: CudaLimits, dtype: FloatDType): readonly [number, number, number];
  /** Threads of a block. */
  block(params: P, limits: CudaLimits, dtype: FloatDType): readonly [number, number, number];
}

/** The launches of ROW_KERNELS: one for each length of a row, of which one runs. */
export const overRows = /* @__NO_SIDE_EFFECTS__ */ <P = Readonly<Record<string, number>>>(
  symbol: string,
  rows: (params: P) => number,
  columns: (params: P) => number,
): RowLaunch<P>[] =>
  (Object.keys(SHAPES) as Shape[]).map((shape) => {
    const { lanes } = SHAPES[shape];
    const threads = (p: P, limits: CudaLimits, dtype: FloatDType) =>
      lanes <= 32 ? laneThreads(lanes, rows(p), limits) : rowThreads(shape, columns(p), dtype);
    return {
      symbol: `${symbol}_${shape}`,
      grid: (p, limits, dtype) => {
        if (shapeOf(columns(p), dtype) !== shape) return [0, 1, 1];
        return [lanes <= 32 ? ceilDiv(rows(p) * lanes, threads(p, limits, dtype)) : rows(p), 1, 1];
      },
      block: (p, limits, dtype) => [threads(p, limits, dtype), 1, 1],
    };
  });
