import type { Op } from "../../engine/dispatch/define-op.js";
import { type Device, type DeviceChoice, openDevice } from "../../engine/index.js";
import { matmulOp } from "../../engine/ops/matmul.js";
import type { FloatDType } from "../../kernels/contract.js";
import { normals } from "../inputs.js";
import {
  type EngineContender,
  type HostTensor,
  type HostTensors,
  type Peer,
  type Taken,
  type Task,
  Unsupported,
} from "../task.js";
import { type OpCall, prepareOp, timed } from "./engine.js";

/** As the task's own row is. */
interface Made {
  readonly dtype: FloatDType;
  readonly copies: number;
}

/** Our own engine at something else that says what a task should cost. */
interface Counterpart {
  /** The op whose tasks have it. */
  readonly op: string;
  readonly note: string;
  prepare(device: Device, task: Task, inputs: HostTensors, made: Made): EngineContender;
}

const linearLayer = { op: matmulOp as unknown as Op, options: { transposeB: true } };

export const COUNTERPARTS = {
  /** What LoRA costs over it. */
  frozen: {
    op: "loraMatmul",
    note: "the same layer without its adapter: less work",
    prepare(device, { trained, pass }, { x, weight, bias, dy }, made) {
      const inputs = { a: x, b: weight, ...(bias && { bias }), ...(dy && { dy }) };
      return contenderOf(device, { ...linearLayer, pass, trained: trained.includes("x") ? ["a"] : [] }, inputs, made);
    },
  },
  /** What a mixture costs over it: routing, rows that are gathered, tiles that experts do not fill. */
  dense: {
    op: "mixtureOfExperts",
    note: "two products of as many rows, all with one expert's matrices: as many multiply-adds",
    prepare(device, { options, trained, pass }, { x, up, down }, made) {
      const rows = x.shape[0] * (options.topK as number);
      const products: EngineContender[] = [];
      const release = () => {
        for (const product of products) product.release();
      };
      const add = ({ shape, values }: HostTensor) => {
        const [, N, K] = shape;
        const b = { shape: [N, K], values: values.subarray(0, N * K) };
        const inputs = { a: normals([rows, K], 0), b, ...(trained.length > 0 && { dy: normals([rows, N], 1) }) };
        const call = { ...linearLayer, pass, trained: trained.length > 0 ? ["a", "b"] : [] };
        products.push(contenderOf(device, call, inputs, made));
      };
      try {
        for (const weights of [up, down]) add(weights);
      } catch (error) {
        release();
        throw error;
      }
      const enqueue = (calls: number) => {
        for (let i = 0; i < calls; i++) for (const product of products) product.enqueue(1);
      };
      if (pass !== "backward") return timed(device, enqueue, release);
      return { enqueue, release, time: (calls) => together(products.map((product) => () => product.time(calls))) };
    },
  },
} satisfies Record<string, Counterpart>;

function contenderOf(device: Device, call: OpCall, inputs: HostTensors, { dtype, copies }: Made): EngineContender {
  const { contender, rotate } = prepareOp(device, call, inputs, dtype);
  try {
    rotate?.(copies);
  } catch (error) {
    contender.release();
    throw error;
  }
  return contender;
}

/** What several take one after the other. */
async function together(parts: readonly (() => Promise<Taken>)[]): Promise<Taken> {
  const sum = { seconds: 0, cpuSeconds: 0 as number | null };
  for (const part of parts) {
    const { seconds, cpuSeconds } = await part();
    sum.seconds += seconds;
    sum.cpuSeconds = sum.cpuSeconds === null || cpuSeconds === null ? null : sum.cpuSeconds + cpuSeconds;
  }
  return sum;
}

/** Other work on purpose, on a device of its own: its results are not compared. */
export async function openOwn(
  name: keyof typeof COUNTERPARTS,
  { device: kind, threads, dtype = "f32" }: { device: string; threads: number; dtype?: FloatDType },
): Promise<Peer> {
  const { op, note, prepare }: Counterpart = COUNTERPARTS[name];
  const device = await openDevice(kind as DeviceChoice, { threads });
  return {
    version: device.description,
    async prepare(task, inputs, copies = 1) {
      if (task.op !== op) throw new Unsupported(`${name} is a counterpart of ${op}`);
      return [{ contender: prepare(device, task, inputs, { dtype, copies }), results: null, note }];
    },
    close: () => device.close(),
  };
}
