import * as kernels from "../../kernels/top-k/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import { describe, OptionError, ShapeError } from "../errors.js";
import type { Tensor } from "../tensor.js";

export const topKOp = defineOp({
  name: "topK",
  inputs: { x: float("...", "V") },

  forward({ x }, { k }: { k: number }, { dims: { V }, run }) {
    if (!(Number.isInteger(k) && k >= 1 && k <= V))
      throw new OptionError(`topK: k ${k} must be from 1 to the last dimension of ${describe("x", x.shape)}.`);
    const sizes = { T: x.size / V, V, K: k };
    const shape = [...x.shape.slice(0, -1), k];
    const { values, indices } = run(kernels.forward, { x, values: shape, indices: shape }, sizes);
    return { y: [values, indices] as const, saves: { indices }, kept: { sizes, shape: x.shape } };
  },

  gradient({ indices }, [dy], { kept: { sizes, shape }, run }) {
    return { x: dy && run(kernels.backward, { dy, indices, dx: shape }, sizes).dx };
  },
});

/** What `topK` finds. */
export interface TopK {
  /** [..., k], descending. */
  values: Tensor;
  /** i32 [..., k]: where they stood. */
  indices: Tensor;
}

/**
 * The k largest values of the last dimension, descending, and their i32 indices; equal values in the order of their index,
 * NaN first. x [..., V] → values, indices [..., k]. The gradient of a value goes to the element it was chosen from.
 */
export function topK(x: Tensor, k: number): TopK {
  const [values, indices] = topKOp({ x }, { k });
  return { values, indices };
}

export const argmaxOp = defineOp({
  name: "argmax",
  inputs: { x: float("...", "V") },

  forward({ x }, _options: object, { dims: { V }, run }) {
    if (V === 0) throw new ShapeError(`argmax: ${describe("x", x.shape)} has no elements to choose from.`);
    const shape = x.shape.slice(0, -1);
    const { values, indices } = run(kernels.forward, { x, values: shape, indices: shape }, { T: x.size / V, V, K: 1 });
    values.dispose();
    return { y: indices };
  },
});

/** Index (i32) of the largest value of the last dimension, the first of equal ones. x [..., V] → [...]. */
export function argmax(x: Tensor): Tensor {
  return argmaxOp({ x }, {});
}
