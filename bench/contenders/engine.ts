import { walk } from "../../engine/autograd/tape.js";
import type { Op } from "../../engine/dispatch/define-op.js";
import { type Device, noGrad, scope, type Tensor, tensor } from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import { taking } from "../clock.js";
import type { EngineContender, HostTensor, HostTensors, Prepared } from "../task.js";

export function upload(device: Device, { shape, values }: HostTensor, dtype: FloatDType = "f32"): Tensor {
  return tensor(values, { device, shape, dtype: values instanceof Int32Array ? "i32" : dtype });
}

/** Times a function that enqueues `calls` calls: the clock stops when the device has run them all. */
export function timed(device: Device, enqueue: (calls: number) => void, release: () => void): EngineContender {
  return {
    enqueue,
    time: (calls) =>
      taking(() => {
        enqueue(calls);
        return device.finish();
      }),
    release,
  };
}

export interface OpCall {
  readonly op: Op;
  readonly options: Readonly<Record<string, unknown>>;
  /** Empty for a forward without tape; otherwise the inputs whose gradients the backward computes from `dy`. */
  readonly trained: readonly string[];
}

/**
 * A function of tensors on the device, called as a user would: a scope a call, outputs freed, memory from the pool. `exact`
 * is the same without dropout, whose results are compared.
 */
export function prepared(
  device: Device,
  host: HostTensors,
  tensors: Readonly<Record<string, Tensor>>,
  call: () => Readonly<Record<string, Tensor>>,
  exact = call,
): Prepared {
  const enqueue = (calls: number) => {
    for (let i = 0; i < calls; i++) scope(() => void call());
  };
  return {
    contender: timed(device, enqueue, () => {
      for (const t of Object.values(tensors)) t.dispose();
    }),
    inputs: async () => host,
    results: async () => {
      const found = scope(exact);
      const values = await Promise.all(
        Object.entries(found).map(async ([name, t]) => [name, (await t.data()) as Float32Array] as const),
      );
      for (const t of Object.values(found)) t.dispose();
      return Object.fromEntries(values);
    },
  };
}

/** One op of the engine. */
export function prepareOp(
  device: Device,
  { op, options, trained }: OpCall,
  inputs: HostTensors,
  dtype: FloatDType = "f32",
): Prepared {
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, host]) => [name, upload(device, host, dtype)]));
  const given = Object.fromEntries(Object.keys(op.inputs).map((name) => [name, tensors[name] ?? null]));
  const call = (o: OpCall["options"]) => withGradients(tensors, trained, () => op(given as never, o) as Tensor);
  return prepared(
    device,
    inputs,
    tensors,
    () => call(options),
    () => call({ ...options, dropout: 0 }),
  );
}

/** y of a forward, without a tape where nothing is trained; otherwise with the gradients of what is, from tensors.dy. */
export function withGradients(
  tensors: Readonly<Record<string, Tensor>>,
  trained: readonly string[],
  forward: () => Tensor,
): Record<string, Tensor> {
  if (trained.length === 0) return { y: noGrad(forward) };
  for (const name of trained) tensors[name].requiresGrad = true;
  const found: Record<string, Tensor> = { y: forward() };
  walk([found.y], [tensors.dy], (leaf, gradient) => {
    found[`d${trained.find((name) => tensors[name] === leaf)}`] = gradient;
  });
  return found;
}
