import { walk } from "../../engine/autograd/tape.js";
import type { Op } from "../../engine/dispatch/define-op.js";
import { type Device, noGrad, scope, type Tensor, tensor } from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import { BYTES, sizeOf } from "../../kernels/cost.js";
import { taking } from "../row/clock.js";
import { InTurn } from "../row/in-turn.js";
import type { EngineContender, HostTensor, HostTensors, Prepared, Taken, Task } from "../task.js";

export function upload(device: Device, { shape, values }: HostTensor, dtype: FloatDType = "f32"): Tensor {
  return tensor(values, { device, shape, dtype: values instanceof Int32Array ? "i32" : dtype });
}

/** All of them, or none where one fails; floats in the storage type, but for those that are f32 whatever it is. */
export function uploadAll(device: Device, host: HostTensors, dtype: FloatDType, f32: readonly string[] = []): Tensors {
  const own = (name: string) => (f32.includes(name) ? "f32" : dtype);
  return scope(() =>
    Object.fromEntries(Object.entries(host).map(([name, values]) => [name, upload(device, values, own(name))])),
  );
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

/** Forwards of a piece whose backwards are timed: each holds what it saved until then. */
export const FORWARDS = 8;

/** Times what consumes the work of `ready`, some calls at a time, which runs outside the clock. */
function timedAfter(device: Device, ready: (calls: number) => void, enqueue: () => void, release: () => void) {
  const time = async (calls: number): Promise<Taken> => {
    let seconds = 0;
    let cpuSeconds: number | null = 0;
    for (let left = calls; left > 0; left -= FORWARDS) {
      ready(Math.min(left, FORWARDS));
      await device.finish();
      const taken = await taking(() => {
        enqueue();
        return device.finish();
      });
      seconds += taken.seconds;
      cpuSeconds = cpuSeconds === null || taken.cpuSeconds === null ? null : cpuSeconds + taken.cpuSeconds;
    }
    return { seconds, cpuSeconds };
  };
  return { ready, enqueue, time, release };
}

export interface OpCall {
  readonly op: Op;
  readonly options: Readonly<Record<string, unknown>>;
  /** Empty for a forward without tape; otherwise the inputs whose gradients the backward computes from `dy`. */
  readonly trained: readonly string[];
  readonly pass: Task["pass"];
  /** Inputs that stay f32 whatever the storage type. */
  readonly f32?: readonly string[];
}

export type Tensors = Readonly<Record<string, Tensor>>;

/** What a function of tensors is, to time it. */
export interface Call extends Pick<OpCall, "trained" | "pass"> {
  readonly host: HostTensors;
  /** `host` on the device, anew each time; `dy` is the gradient of the result. */
  upload(): Tensors;
  forward(tensors: Tensors): Tensor;
  /** The same without dropout, whose results are compared. Default: `forward`. */
  exact?(tensors: Tensors): Tensor;
}

/** A function of tensors on the device, called as a user would: a scope a call, outputs freed, memory from the pool. */
export function prepared(device: Device, call: Call): Prepared {
  const { host, trained, pass, forward, exact = forward } = call;
  const set = () => {
    const tensors = call.upload();
    for (const name of trained) tensors[name].requiresGrad = true;
    return tensors;
  };
  const sets = new InTurn(set());
  const release = () => {
    for (const tensors of sets.all) for (const t of Object.values(tensors)) t.dispose();
  };
  const whole = (calls: number) => {
    for (let i = 0; i < calls; i++) scope(() => void results(sets.next(), trained, forward));
  };
  const waiting: { readonly tensors: Tensors; readonly y: Tensor }[] = [];
  const ready = (calls: number) => {
    for (let i = 0; i < calls; i++) {
      const tensors = sets.next();
      const run = () => forward(tensors);
      waiting.push({ tensors, y: scope(() => (trained.length > 0 ? run() : noGrad(run))) });
    }
  };
  const backwards = () => {
    for (const { tensors, y } of waiting.splice(0)) {
      scope(() => void gradients(tensors, trained, y));
      y.dispose();
    }
  };
  const contender = pass === "backward" ? timedAfter(device, ready, backwards, release) : timed(device, whole, release);
  return {
    contender,
    inputs: async () => host,
    results: async () => {
      const found = scope(() => results(sets.first, trained, exact));
      const values = await Promise.all(
        Object.entries(found).map(async ([name, t]) => [name, (await t.data()) as Float32Array] as const),
      );
      for (const t of Object.values(found)) t.dispose();
      return Object.fromEntries(values);
    },
    stages: {
      forward: () => ready(1),
      ...(trained.length > 0 && { backward: backwards }),
      dispose: () => {
        for (const { y } of waiting.splice(0)) y.dispose();
      },
    },
    inputBytes: Object.values(sets.first).reduce((sum, t) => sum + bytesOf(t), 0),
    rotate(copies) {
      while (sets.all.length < copies) sets.add(set());
    },
    ...(trained.length > 0 && { savedBytes: () => savedBytes(device, () => forward(sets.first)) }),
  };
}

/** Bytes that are alive after a forward and were not before, but for its result. */
async function savedBytes(device: Device, forward: () => Tensor): Promise<number> {
  await device.finish();
  const before = device.memory().live;
  const y = scope(forward);
  await device.finish();
  const held = device.memory().live - before;
  y.dispose();
  return Math.max(0, held - bytesOf(y));
}

const bytesOf = (t: Tensor) => sizeOf(t.shape) * BYTES[t.dtype];

/** One op of the engine. */
export function prepareOp(
  device: Device,
  { op, options, trained, pass, f32 = [] }: OpCall,
  host: HostTensors,
  dtype: FloatDType = "f32",
): Prepared {
  // Of an op with several results the first, which has the gradient.
  const call = (o: OpCall["options"]) => (tensors: Tensors) => {
    const given = Object.fromEntries(Object.keys(op.inputs).map((name) => [name, tensors[name] ?? null]));
    return [op(given as never, o) as Tensor | readonly Tensor[]].flat()[0];
  };
  const exact = call({ ...options, dropout: 0 });
  return prepared(device, {
    ...{ host, trained, pass, forward: call(options), exact },
    upload: () => uploadAll(device, host, dtype, f32),
  });
}

/** y of a forward, without a tape where nothing is trained; otherwise with the gradients of what is, from tensors.dy. */
function results(tensors: Tensors, trained: readonly string[], forward: Call["forward"]): Record<string, Tensor> {
  if (trained.length === 0) return { y: noGrad(() => forward(tensors)) };
  const y = forward(tensors);
  return { y, ...gradients(tensors, trained, y) };
}

function gradients(tensors: Tensors, trained: readonly string[], y: Tensor): Record<string, Tensor> {
  const found: Record<string, Tensor> = {};
  walk([y], [tensors.dy], (leaf, gradient) => {
    found[`d${trained.find((name) => tensors[name] === leaf)}`] = gradient;
  });
  return found;
}
