import * as kernels from "../../kernels/copy/kernels.js";
import type { Device } from "../device/device.js";
import { run } from "../dispatch/run.js";
import { type DType, isFloat } from "../dtype.js";
import { type Shape, sizeOf } from "../shape.js";
import { Tensor } from "../tensor.js";
import { broadcastStrides, collapse, contiguousStrides, padded } from "./strides.js";

/** What the ops that only move elements share: they take every storage type and know nothing of values. */

/** A tensor whose values are still to be written. */
export function empty(device: Device, shape: Shape, dtype: DType, label: string): Tensor {
  const size = sizeOf(shape);
  return new Tensor(device.allocate(size, dtype, label), shape, dtype, size);
}

/** Integers run through the twin of a pass: the same code on 32-bit words. */
export function ofType<P>(x: Tensor, value: P, int: unknown): P {
  return isFloat(x.dtype) ? value : (int as P);
}

export interface Place {
  readonly strides: readonly number[];
  readonly offset?: number;
}

/** y[to.offset + Σ ik to.strides[k]] = x[from.offset + Σ ik from.strides[k]], i over `sizes`. */
export function copyStrided(op: string, x: Tensor, from: Place, y: Tensor, to: Place, sizes: Shape): void {
  const grid = collapse(sizes, [from.strides, to.strides]);
  const [d0, d1, d2, d3, d4, d5] = padded(op, grid.sizes, 1);
  const [x0, x1, x2, x3, x4, x5] = padded(op, grid.strides[0], 0);
  const [y0, y1, y2, y3, y4, y5] = padded(op, grid.strides[1], 0);
  const n = sizeOf(sizes);
  const params = { n, d0, d1, d2, d3, d4, d5, x0, x1, x2, x3, x4, x5, y0, y1, y2, y3, y4, y5 };
  const offsets = { xOffset: from.offset ?? 0, yOffset: to.offset ?? 0 };
  run(x.device, ofType(x, kernels.strided, kernels.stridedInt), { x, y }, { ...params, ...offsets });
}

/** x stretched to `shape`, which it broadcasts to. */
export function expandTo(op: string, x: Tensor, shape: Shape): Tensor {
  const y = empty(x.device, shape, x.dtype, op);
  copyStrided(op, x, { strides: broadcastStrides(x.shape, shape) }, y, { strides: contiguousStrides(shape) }, shape);
  return y;
}
