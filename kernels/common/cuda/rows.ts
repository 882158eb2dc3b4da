import {
  type CudaLaunch,
  type CudaLimits,
  ceilDiv,
  type FloatDType,
  type Params,
  type ParamValues,
} from "../../contract.js";
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

/** The launches of ROW_KERNELS: one for each length of a row, of which one runs. */
export const overRows = /* @__NO_SIDE_EFFECTS__ */ <P extends Params>(
  symbol: string,
  rows: (params: ParamValues<P>) => number,
  columns: (params: ParamValues<P>) => number,
): CudaLaunch<P>[] =>
  (Object.keys(SHAPES) as Shape[]).map((shape) => {
    const { lanes } = SHAPES[shape];
    const block = (p: ParamValues<P>, limits: CudaLimits, dtype: FloatDType) =>
      lanes <= 32 ? laneThreads(lanes, rows(p), limits) : rowThreads(shape, columns(p), dtype);
    return {
      symbol: `${symbol}_${shape}`,
      grid: (p, limits, dtype) => {
        if (shapeOf(columns(p), dtype) !== shape) return [0, 1, 1];
        return [lanes <= 32 ? ceilDiv(rows(p) * lanes, block(p, limits, dtype)) : rows(p), 1, 1];
      },
      block: (p, limits, dtype) => [block(p, limits, dtype), 1, 1],
    };
  });
