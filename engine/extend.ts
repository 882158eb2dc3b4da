import type { WgslSource } from "../kernels/contract.js";

/**
 * What an op outside this package is made of: passes (what a kernel reads, writes and takes), the launches that each device
 * makes of them, and `defineOp`, which joins passes and gradient to a function of tensors. docs/extending.md shows one.
 */

export type { CaseTable, Cost, InputSpec, OpCase } from "../kernels/case-table.js";
export { type Elements, foldGrid, type ThreadLaunch, threads, vectors } from "../kernels/common/wgsl/grid.js";
export {
  ALL_FLOATS,
  type BufferSpec,
  type Buffers,
  type CpuLaunch,
  type CpuLaunches,
  type CudaLaunch,
  type CudaLaunches,
  type CudaLimits,
  type Cut,
  ceilDiv,
  type DType,
  type FloatDType,
  type GpuLimits,
  type Launches,
  type NeededBuffer,
  type NumberArray,
  optional,
  type Params,
  type ParamType,
  type ParamValues,
  type Pass,
  type PassSpec,
  pass,
  type ReferenceBuffers,
  read,
  rowGrain,
  type Tiles,
  update,
  type WgslLaunch,
  type WgslLaunches,
  type WgslSource,
  write,
} from "../kernels/contract.js";
export { type CheckableOp, CheckError, checkGradients, checkOp } from "./check/check-op.js";
export type { AutocastRule } from "./dispatch/autocast.js";
export {
  defineOp,
  type Forward,
  type ForwardContext,
  type GradientContext,
  type Op,
  type OpSpec,
  type OutputGradients,
  type Outputs,
} from "./dispatch/define-op.js";
export {
  any,
  type Dims,
  float,
  float32,
  type InputSchema,
  type Inputs,
  type InputTensors,
  int,
  maybe,
} from "./dispatch/op-schema.js";
export { type Arguments, type Numbers, type Results, run } from "./dispatch/run.js";

/**
 * The source of a WGSL launch: plain text, and the parts of `consilium/wgsl` that it refers to. The tiles of the launch are
 * `const` lines to it, the storage type is `value`.
 */
export const wgsl = (text: string, common: readonly WgslSource[] = []): WgslSource => ({ text, common });
