import { walk } from "../../engine/autograd/tape.js";
import type { Op } from "../../engine/dispatch/define-op.js";
import { type Device, noGrad, scope, type Tensor, tensor } from "../../engine/index.js";
import type { FloatDType } from "../../kernels/contract.js";
import { taking } from "../clock.js";
import type { EngineContender, HostTensor, HostTensors, Prepared, Taken, Task } from "../task.js";

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

/** Forwards of a piece whose backwards are timed: each holds what it saved until then. */
const FORWARDS = 8;

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

/** What a function of tensors is, to time it. */
export interface Call extends Pick<OpCall, "trained" | "pass"> {
  readonly host: HostTensors;
  /** On the device; `dy` is the gradient of the result. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  forward(): Tensor;
  /** The same without dropout, whose results are compared. Default: `forward`. */
  exact?(): Tensor;
}

/** A function of tensors on the device, called as a user would: a scope a call, outputs freed, memory from the pool. */
export function prepared(device: Device, { host, tensors, trained, pass, forward, exact = forward }: Call): Prepared {
  for (const name of trained) tensors[name].requiresGrad = true;
  const release = () => {
    for (const t of Object.values(tensors)) t.dispose();
  };
  const whole = (calls: number) => {
    for (let i = 0; i < calls; i++) scope(() => void results(tensors, trained, forward));
  };
  const waiting: Tensor[] = [];
  const ready = (calls: number) => {
    for (let i = 0; i < calls; i++) waiting.push(scope(() => (trained.length > 0 ? forward() : noGrad(forward))));
  };
  const backwards = () => {
    for (const y of waiting.splice(0)) {
      scope(() => void gradients(tensors, trained, y));
      y.dispose();
    }
  };
  const contender = pass === "backward" ? timedAfter(device, ready, backwards, release) : timed(device, whole, release);
  return {
    contender,
    inputs: async () => host,
    results: async () => {
      const found = scope(() => results(tensors, trained, exact));
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
        for (const y of waiting.splice(0)) y.dispose();
      },
    },
    ...(trained.length > 0 && { savedBytes: () => savedBytes(device, forward) }),
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

const bytesOf = (t: Tensor) => t.shape.reduce((n, size) => n * size, t.dtype === "f32" ? 4 : 2);

/** One op of the engine. */
export function prepareOp(
  device: Device,
  { op, options, trained, pass, f32 = [] }: OpCall,
  host: HostTensors,
  dtype: FloatDType = "f32",
): Prepared {
  const tensors = Object.fromEntries(
    Object.entries(host).map(([name, values]) => [name, upload(device, values, f32.includes(name) ? "f32" : dtype)]),
  );
  const given = Object.fromEntries(Object.keys(op.inputs).map((name) => [name, tensors[name] ?? null]));
  // Of an op with several results the first, which has the gradient.
  const call = (o: OpCall["options"]) => [op(given as never, o) as Tensor | readonly Tensor[]].flat()[0];
  const exact = () => call({ ...options, dropout: 0 });
  return prepared(device, { host, tensors, trained, pass, forward: () => call(options), exact });
}

/** y of a forward, without a tape where nothing is trained; otherwise with the gradients of what is, from tensors.dy. */
function results(tensors: Call["tensors"], trained: readonly string[], forward: () => Tensor): Record<string, Tensor> {
  if (trained.length === 0) return { y: noGrad(forward) };
  const y = forward();
  return { y, ...gradients(tensors, trained, y) };
}

function gradients(tensors: Call["tensors"], trained: readonly string[], y: Tensor): Record<string, Tensor> {
  const found: Record<string, Tensor> = {};
  walk([y], [tensors.dy], (leaf, gradient) => {
    found[`d${trained.find((name) => tensors[name] === leaf)}`] = gradient;
  });
  return found;
}
