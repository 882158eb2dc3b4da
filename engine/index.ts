/** The public API of the engine. Models and apps import from here and from nowhere deeper. */

// `[Symbol.dispose]` for projects whose `lib` is older.
/// <reference lib="esnext.disposable" preserve="true" />
export type { DeviceName, DeviceOptions, Timing } from "../bindings/device.js";
export { autocast } from "./autocast.js";
export { Captured, capture } from "./capture.js";
export { checkpoint } from "./checkpoint.js";
export { type Counters, Device } from "./device.js";
export type { DType, FloatDType } from "./dtype.js";
export * from "./errors.js";
export * as io from "./io/index.js";
export * as nn from "./nn/index.js";
export { openDevice } from "./open-device.js";
export * from "./ops/index.js";
export * as optim from "./optim/index.js";
export type { MemoryReport } from "./pool.js";
export { HostRandom } from "./random.js";
export type { RandomState } from "./random-stream.js";
export { noGrad } from "./recording.js";
export { keep, type ScopeResult, scope } from "./scope.js";
export type { Shape } from "./shape.js";
export { gradients } from "./tape.js";
export { type NestedNumbers, Tensor, type TensorOptions, tensor } from "./tensor.js";
export type { WarmUpOptions } from "./warm-up.js";
