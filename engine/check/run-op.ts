import type { ReferenceBinding } from "../../bindings/reference/device.js";
import type { OpCase } from "../../kernels/case-table.js";
import type { DType } from "../../kernels/contract.js";
import { walk } from "../autograd/tape.js";
import type { Device } from "../device/device.js";
import type { Outputs } from "../dispatch/define-op.js";
import { isFloat } from "../dtype.js";
import { scope } from "../scope.js";
import { fromHost, type Tensor } from "../tensor.js";
import { type HostInput, rounded } from "./fill.js";
import { generator } from "./random.js";

/** An op, or anything that is called like one. */
export interface Computation {
  /** By name; the values do not matter. */
  readonly inputs: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: ops of any inputs and options.
  (inputs: any, options: any): Outputs;
}

export interface OpResult {
  readonly outputs: Float64Array[];
  readonly dtypes: readonly DType[];
  readonly shapes: readonly (readonly number[])[];
  /** By input name; null where the tape gave none. */
  readonly gradients: Record<string, Float64Array | null>;
}

/** Values of a tensor in full precision: unrounded on an exact reference device. */
async function values(t: Tensor): Promise<Float64Array> {
  if (t.device.name === "reference" && isFloat(t.dtype))
    return (t.device.binding as ReferenceBinding).values(t.storage.memory, t.size);
  return Float64Array.from(await t.data());
}

function upload(device: Device, input: HostInput): Tensor {
  const t = fromHost(device, new Float32Array(input.values.length), input.shape, input.dtype);
  if (device.name === "reference" && isFloat(input.dtype))
    device.binding.write(t.storage.memory, input.values, input.dtype);
  else t.write(input.values);
  return t;
}

/** The gradient that flows into output `i`: the same numbers on every device. */
export function outputGradient(c: OpCase, y: Pick<Tensor, "shape" | "size" | "dtype">, i: number): HostInput {
  const random = generator(`${c.name}/dy${i}`);
  const values = new Float64Array(y.size);
  for (let at = 0; at < values.length; at++) values[at] = random.normal();
  return { shape: y.shape, dtype: y.dtype, values: rounded(values, y.dtype) };
}

/** Runs an op forward, and backward from the gradients of `dyOf`; frees everything it made. */
export async function runOp(
  device: Device,
  op: Computation,
  c: OpCase,
  inputs: Readonly<Record<string, HostInput>>,
  withGradients: boolean,
  dyOf: typeof outputGradient = outputGradient,
): Promise<OpResult> {
  device.seed(1234);
  const gradients: Record<string, Tensor> = {};
  const outputs: Tensor[] = [];
  const made = scope(() => {
    const given: Record<string, Tensor | null> = {};
    for (const name of Object.keys(op.inputs)) given[name] = inputs[name] ? upload(device, inputs[name]) : null;
    if (withGradients) for (const t of Object.values(given)) if (t && isFloat(t.dtype)) t.requiresGrad = true;
    const y = op(given, c.options ?? {});
    outputs.push(...(Array.isArray(y) ? (y as Tensor[]) : [y as Tensor]));
    if (withGradients) {
      const roots = outputs.filter((t) => t.node && isFloat(t.dtype));
      const dys = roots.map((t) => upload(device, dyOf(c, t, outputs.indexOf(t))));
      walk(roots, dys, (leaf, gradient) => {
        const name = Object.keys(given).find((n) => given[n] === leaf) as string;
        gradients[name] = gradient;
      });
    }
    return [...outputs, ...Object.values(gradients)];
  });
  const result: OpResult = {
    outputs: [],
    dtypes: outputs.map((t) => t.dtype),
    shapes: outputs.map((t) => t.shape),
    gradients: {},
  };
  for (const t of outputs) result.outputs.push(await values(t));
  for (const name of Object.keys(op.inputs))
    result.gradients[name] = gradients[name] ? await values(gradients[name]) : null;
  for (const t of made) t.dispose();
  return result;
}
