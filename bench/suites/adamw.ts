import { type Device, optim, type Tensor } from "../../engine/index.js";
import { timed, uploadAll } from "../contenders/engine.js";
import { normals } from "../inputs.js";
import type { ShapeForm } from "../shapes/parse.js";
import type { HostTensors, Prepared, Task } from "../task.js";
import { needsOf } from "./op-task.js";
import { type Suite, typed } from "./suite.js";

interface Sizes {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
}

const form: ShapeForm<Sizes> = {
  form: "NxRxC, N parameters [R, C] (16x512x512)",
  pattern: /^(?<N>\d+)x(?<R>\d+)x(?<C>\d+)$/,
  make: ({ N, R, C }) => ({ count: Number(N), rows: Number(R), columns: Number(C) }),
};

const OPTIONS = { lr: 1e-3, betas: [0.9, 0.999] as const, eps: 1e-8, weightDecay: 0.01 };

/** A step of AdamW on gradients that are there: what training adds to forward and backward. */
export const adamw: Suite<Sizes> = {
  suite: "adamw",
  forms: [form],
  sets: {},
  own: () => typed([{ count: 16, rows: 512, columns: 512 }]),
  passes: { own: () => ["step"], possible: ["step"] },
  routed: false,
  task,
};

function task({ count, rows, columns }: Sizes): Task {
  const n = count * rows * columns;
  return {
    suite: "adamw",
    op: "AdamW",
    pass: "step",
    name: `${count} parameters of ${rows} × ${columns}`,
    shape: `${count}x${rows}x${columns}`,
    options: OPTIONS,
    trained: [],
    flops: 16 * n,
    // Parameter, gradient and both moments read, all but the gradient written.
    bytes: 28 * n,
    // Parameters and gradients, then two moments.
    needs: { ...needsOf([[[2 * n], "f32"]], [[[2 * n], "f32"]]), tensorBytes: (4 * n) / count, elements: n / count },
    // Two steps of some lr beside parameters of 1: their rounding, and that of one division and one root.
    tolerance: 5e-7,
    prepare: async (device) => prepareStep(device, hostInputs({ count, rows, columns })),
  };
}

function hostInputs({ count, rows, columns }: Sizes): HostTensors {
  const pairs = Array.from({ length: count }, (_, i) => [
    [`parameter:${i}`, normals([rows, columns], 2 * i)],
    [`gradient:${i}`, normals([rows, columns], 2 * i + 1)],
  ]);
  return Object.fromEntries(pairs.flat());
}

function prepareStep(device: Device, host: HostTensors): Prepared {
  const tensors = uploadAll(device, host, "f32");
  const parameters: Tensor[] = [];
  for (let i = 0; tensors[`parameter:${i}`]; i++) {
    const parameter = tensors[`parameter:${i}`];
    parameter.grad = tensors[`gradient:${i}`];
    parameters.push(parameter);
  }
  const optimizer = new optim.AdamW(parameters, OPTIONS);
  const enqueue = (calls: number) => {
    for (let i = 0; i < calls; i++) optimizer.step();
  };
  const release = () => {
    optimizer.dispose();
    for (const parameter of parameters) {
      parameter.grad?.dispose();
      parameter.dispose();
    }
  };
  return {
    contender: timed(device, enqueue, release),
    inputs: async () => host,
    /** Every parameter after two steps: the second has moments of both. */
    results: async () => {
      enqueue(2);
      const values = parameters.map(async (p, i) => [String(i), (await p.data()) as Float32Array] as const);
      return Object.fromEntries(await Promise.all(values));
    },
  };
}
