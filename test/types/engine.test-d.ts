/**
 * Types of the engine's public API. `npm run types` checks them against the sources, test/installed.test.ts against what
 * the tarball declares, in a project that knows nothing of ours.
 */

import {
  type Activation,
  type AttentionOptions,
  attention,
  capture,
  type Device,
  DeviceError,
  type DeviceName,
  type DType,
  dropout,
  type io,
  keep,
  linear,
  matmul,
  nn,
  openDevice,
  optim,
  type Shape,
  ShapeError,
  scope,
  softmax,
  sum,
  type Tensor,
  tensor,
  topK,
} from "consilium";
import { expectTypeOf } from "expect-type";

declare const device: Device;
declare const x: Tensor;

// Devices: by name or the best one; held by `using`.
expectTypeOf(openDevice("cpu")).resolves.toEqualTypeOf<Device>();
expectTypeOf(openDevice()).resolves.toEqualTypeOf<Device>();
expectTypeOf<DeviceName>().toEqualTypeOf<"cpu" | "webgpu" | "cuda" | "reference">();
expectTypeOf<Device>().toExtend<Disposable>();
expectTypeOf(openDevice("cuda:1", { tf32: true })).resolves.toEqualTypeOf<Device>();
// @ts-expect-error no such device
openDevice("gpu");
// @ts-expect-error only GPUs of cuda have an index
openDevice("cpu:1");
// @ts-expect-error options have names that are known
openDevice("cpu", { thread: 2 });
// @ts-expect-error a number of threads
openDevice("cpu", { threads: "2" });

// Tensors: shape and type cannot be written to; values leave the device by a promise.
expectTypeOf<Shape>().toEqualTypeOf<readonly number[]>();
expectTypeOf<DType>().toEqualTypeOf<"f32" | "bf16" | "f16" | "i32" | "u32">();
expectTypeOf(x.shape).toEqualTypeOf<Shape>();
expectTypeOf(x.item()).resolves.toEqualTypeOf<number>();
expectTypeOf(x.data()).resolves.toExtend<ArrayLike<number>>();
expectTypeOf(x.grad).toEqualTypeOf<Tensor | null>();
expectTypeOf<Tensor>().toExtend<Disposable>();
// @ts-expect-error shapes are fixed
x.shape = [1];
// @ts-expect-error so are their sizes
x.shape[0] = 1;

tensor(1, { device });
tensor([[1, 2]], { device, dtype: "f16", requiresGrad: true });
tensor(new Float32Array(6), { device, shape: [2, 3] });
// @ts-expect-error a tensor lives on a device
tensor([1, 2]);
// @ts-expect-error numbers, not text
tensor(["1"], { device });
// @ts-expect-error a storage type that there is
tensor([1], { device, dtype: "float32" });

// Ops: tensors in, tensors out; options have known names and values.
expectTypeOf(matmul(x, x)).toEqualTypeOf<Tensor>();
expectTypeOf(linear(x, x, null, { activation: "gelu" })).toEqualTypeOf<Tensor>();
expectTypeOf(attention(x, x, x, { causal: true, mask: x })).toEqualTypeOf<Tensor>();
expectTypeOf<AttentionOptions["causal"]>().toEqualTypeOf<boolean | undefined>();
expectTypeOf<Activation>().toExtend<string>();
expectTypeOf(topK).returns.toExtend<{ values: Tensor; indices: Tensor }>();
expectTypeOf(softmax).parameter(0).toEqualTypeOf<Tensor>();
expectTypeOf(sum).returns.toEqualTypeOf<Tensor>();
// @ts-expect-error an activation that there is
matmul(x, x, { activation: "swish" });
// @ts-expect-error a known option: PyTorch's words in camelCase
matmul(x, x, { transpose_b: true });
// @ts-expect-error host values become tensors first
matmul([[1]], x);
// @ts-expect-error options come by name
attention(x, x, x, true);
// @ts-expect-error a probability
dropout(x, "0.1");

// `scope` hands back what the function returns, and refuses a promise.
expectTypeOf(scope(() => x)).toEqualTypeOf<Tensor>();
expectTypeOf(scope(() => ({ loss: x, all: [x] }))).toEqualTypeOf<{ loss: Tensor; all: Tensor[] }>();
expectTypeOf(scope(() => {})).toEqualTypeOf<void>();
expectTypeOf(keep(x)).toEqualTypeOf<Tensor>();
// @ts-expect-error a scope is synchronous
scope(async () => x);
// @ts-expect-error a promise, whoever made it
scope(() => x.data());

// Modules and optimisers.
expectTypeOf<nn.Linear>().toExtend<nn.Module>();
expectTypeOf(new nn.Linear(new nn.Initializer(device, 1), 2, 8).forward(x)).toEqualTypeOf<Tensor>();
expectTypeOf<optim.AdamW>().toExtend<optim.Optimizer>();
// @ts-expect-error a rate is a number
new optim.AdamW([x], { lr: "1e-3" });

// Errors are classes with a common one, for `instanceof`.
expectTypeOf(new DeviceError("text")).toExtend<Error>();
expectTypeOf<typeof ShapeError>().toBeConstructibleWith("text");
expectTypeOf<typeof io.FileFormatError>().instance.toExtend<Error>();
try {
  capture(device, () => x);
} catch (error) {
  if (error instanceof ShapeError) expectTypeOf(error.message).toEqualTypeOf<string>();
}

// `Device` and `Tensor` are classes too: values, not types alone.
expectTypeOf<typeof Device>().toExtend<abstract new (...args: never[]) => object>();
expectTypeOf<typeof Tensor>().toExtend<abstract new (...args: never[]) => object>();
