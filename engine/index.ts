/** The public API of the engine. Models and apps import from here and from nowhere deeper. */

// `[Symbol.dispose]` for projects whose `lib` is older.
/// <reference lib="esnext.disposable" preserve="true" />
export type { DeviceChoice, DeviceName, DeviceOptions, Timing } from "../bindings/device.js";
export { refuseUnknown, requireArray, requireDevice, requireObject, requireText } from "./arguments.js";
export { checkpoint } from "./autograd/checkpoint.js";
export { noGrad } from "./autograd/recording.js";
export { gradients } from "./autograd/tape.js";
export { Captured, capture } from "./device/capture.js";
export { type Counters, Device } from "./device/device.js";
export { openDevice } from "./device/open-device.js";
export type { MemoryReport } from "./device/pool.js";
export type { RandomState } from "./device/random-stream.js";
export type { WarmUpOptions } from "./device/warm-up.js";
export { autocast } from "./dispatch/autocast.js";
export type { DType, FloatDType } from "./dtype.js";
export * from "./errors.js";
export * as io from "./io/index.js";
export * as nn from "./nn/index.js";
export * from "./ops/index.js";
export * as optim from "./optim/index.js";
export { HostRandom } from "./random.js";
export { keep, type ScopeResult, scope } from "./scope.js";
export type { Shape } from "./shape.js";
export { type NestedNumbers, Tensor, type TensorOptions, tensor } from "./tensor.js";
