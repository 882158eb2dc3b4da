import type { Memory } from "../../bindings/device.js";
import type { AnyPass, Buffers, DType, FloatDType, Params, Pass } from "../../kernels/contract.js";
import { bindingError } from "../device/binding-error.js";
import type { Device } from "../device/device.js";
import { DTypeError } from "../errors.js";
import { type Shape, sizeOf } from "../shape.js";
import { Tensor } from "../tensor.js";

/**
 * What a pass is given, by buffer name: a tensor to read or to write into, a shape to allocate an output of, null for an
 * absent optional buffer. `random` and `faults` are the device's own and always filled in.
 */
export type Arguments<B extends Buffers> = {
  readonly [K in Exclude<keyof B, "random" | "faults">]:
    | Tensor
    | (B[K]["use"] extends "in" ? never : Shape)
    | (B[K]["optional"] extends true ? null : never);
};

/** The outputs of a pass. */
export type Results<B extends Buffers> = {
  readonly [K in keyof B as B[K]["use"] extends "in" ? never : K]: Tensor;
};

/** Params without those that dispatch fills in. */
export type Numbers<P extends Params> = { readonly [K in Exclude<keyof P, "faultLabel">]: number };

const slots: (Memory | null)[][] = [];

/**
 * Runs a pass on a device: allocates the outputs that are given as shapes and enqueues the launches. `dtype` is the value
 * type; by default that of the first value input.
 */
export function run<B extends Buffers, P extends Params>(
  device: Device,
  pass: Pass<B, P>,
  args: Arguments<B>,
  params: Numbers<P>,
  dtype: FloatDType = valueType(pass, args as Record<string, Tensor | Shape | null>),
): Results<B> {
  const names = pass.bufferNames;
  const given = args as Record<string, Tensor | Shape | null>;
  slots[pass.id] ??= new Array<Memory | null>(names.length).fill(null);
  const memories = slots[pass.id];
  const results: Record<string, Tensor> = {};
  const { log } = device.mode;
  try {
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      const spec = pass.buffers[name];
      const value = given[name];
      if (value instanceof Tensor) {
        if (spec.dtype !== "value" && spec.dtype !== value.dtype && !(isInteger(spec.dtype) && isInteger(value.dtype)))
          throw new DTypeError(`${pass.label}: ${name} is ${value.dtype}; ${spec.dtype} is needed.`);
        memories[i] = value.storage.memory;
        log?.use(value.storage, spec.use !== "in");
        if (spec.use !== "in") {
          value.storage.changed();
          results[name] = value;
        }
      } else if (value) {
        const type: DType = spec.dtype === "value" ? dtype : spec.dtype;
        const size = sizeOf(value);
        const output = new Tensor(device.allocate(size, type, pass.label), value, type, size);
        memories[i] = output.storage.memory;
        results[name] = output;
      } else {
        const own = name === "random" ? device.random : name === "faults" ? device.faults : null;
        memories[i] = own ? own.storage.memory : null;
      }
    }
    let numbers = params as Record<string, number>;
    if ("faultLabel" in pass.params) numbers = { ...numbers, faultLabel: device.faults.label(pass.label) };
    device.launch(pass, dtype, memories, numbers);
  } catch (error) {
    for (const name in results) if (results[name] !== given[name]) results[name].dispose();
    throw bindingError(error);
  }
  return results as Results<B>;
}

/** A kernel may take both; some have a param that tells them apart. */
const isInteger = (dtype: DType) => dtype === "i32" || dtype === "u32";

function valueType(pass: AnyPass, args: Record<string, Tensor | Shape | null>): FloatDType {
  let found: Tensor | null = null;
  let foundName = "";
  for (let i = 0; i < pass.bufferNames.length; i++) {
    const name = pass.bufferNames[i];
    if (pass.buffers[name].dtype !== "value") continue;
    const value = args[name];
    if (!(value instanceof Tensor)) continue;
    if (found && value.dtype !== found.dtype)
      throw new DTypeError(
        `${pass.label}: ${name} is ${value.dtype} but ${foundName} is ${found.dtype}. Cast one of them: cast(x, "${found.dtype}").`,
      );
    found ??= value;
    foundName ||= name;
  }
  return (found?.dtype ?? "f32") as FloatDType;
}
