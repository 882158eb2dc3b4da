import * as kernels from "../../kernels/fill/kernels.js";
import type { Device } from "../device/device.js";
import { run } from "../dispatch/run.js";
import { type DType, isFloat } from "../dtype.js";
import { OptionError } from "../errors.js";
import { checkShape, type Shape } from "../shape.js";
import { setRequiresGrad, type Tensor } from "../tensor.js";
import { empty } from "./moves.js";

/** Where and how a new tensor is stored. */
export interface FillOptions {
  /** An open device. */
  device: Device;
  /** Default: f32. */
  dtype?: DType;
  /** Makes it a leaf whose `grad` is filled by `backward`. Default false. */
  requiresGrad?: boolean;
}

/** Every element `value`. */
export function full(shape: Shape, value: number, options: FillOptions): Tensor {
  const { device, dtype = "f32" } = options;
  const y = empty(device, checkShape("full", shape), dtype, "full");
  const n = y.size;
  if (isFloat(dtype)) run(device, kernels.value, { y }, { n, value }, dtype);
  else run(device, kernels.valueInt, { y }, { n, value: bits("full", value, dtype) });
  return options.requiresGrad ? setRequiresGrad(y) : y;
}

/** A new tensor of zeros. */
export function zeros(shape: Shape, options: FillOptions): Tensor {
  return full(shape, 0, options);
}

/** A new tensor of ones. */
export function ones(shape: Shape, options: FillOptions): Tensor {
  return full(shape, 1, options);
}

/** Where a range is stored, and what it counts. */
export interface RangeOptions {
  /** An open device. */
  device: Device;
  /** Default: i32. */
  dtype?: Exclude<DType, "u32">;
  /** Default: 0. */
  start?: number;
  /** Default: 1. */
  step?: number;
}

/** start, start + step, ...: `length` of them. */
export function arange(length: number, options: RangeOptions): Tensor {
  const { device, dtype = "i32", start = 0, step = 1 } = options;
  const y = empty(device, checkShape("arange", [length]), dtype, "arange");
  if (isFloat(dtype)) run(device, kernels.range, { y }, { n: length, start, step }, dtype);
  else {
    const from = bits("arange", start, dtype);
    run(device, kernels.rangeInt, { y }, { n: length, start: from, step: bits("arange", step, dtype) });
  }
  return y;
}

/** The 32 bits of an integer, as a u32 param carries them. */
function bits(op: string, value: number, dtype: "i32" | "u32"): number {
  const [low, high] = dtype === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  if (!Number.isInteger(value) || value < low || value > high)
    throw new OptionError(`${op}: ${value} is not a whole number from ${low} to ${high}, which ${dtype} holds.`);
  return value >>> 0;
}
