import * as kernels from "../../kernels/softmax/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import type { Tensor } from "../tensor.js";

const define = (name: "softmax" | "logSoftmax") => {
  const log = name === "logSoftmax" ? 1 : 0;
  return defineOp({
    name,
    autocast: "f32",
    inputs: { x: float("...", "C") },

    forward({ x }, _options: object, { dims: { C }, run }) {
      const { y } = run(kernels.forward, { x, y: x.shape }, { T: x.size / Math.max(1, C), C, log });
      return { y, saves: { y } };
    },

    gradient({ y }, dy, { dims: { C }, run }) {
      return { x: run(kernels.backward, { dy, y, dx: y.shape }, { T: y.size / Math.max(1, C), C, log }).dx };
    },
  });
};

export const softmaxOp = define("softmax");
export const logSoftmaxOp = define("logSoftmax");

/** y = exp(x) / Σ exp(x) over the last dimension, finite for every finite x. x [..., C]. */
export function softmax(x: Tensor): Tensor {
  return softmaxOp({ x }, {});
}

/** y = x - log Σ exp(x) over the last dimension, without overflow on the way. x [..., C]. */
export function logSoftmax(x: Tensor): Tensor {
  return logSoftmaxOp({ x }, {});
}
