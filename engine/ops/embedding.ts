import * as kernels from "../../kernels/embedding/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float, int } from "../dispatch/op-schema.js";
import { describe, OptionError } from "../errors.js";
import type { Tensor } from "../tensor.js";

/** What `embedding` takes besides tensors. */
export interface EmbeddingOptions {
  /** This row gets no gradient from look-ups; negative counts from the end. */
  paddingIndex?: number;
}

export const embeddingOp = defineOp({
  name: "embedding",
  inputs: { weight: float("V", "C"), ids: int("...") },

  forward({ weight, ids }, options: EmbeddingOptions, { dims: { V, C }, run }) {
    const paddingIndex = rowOf(weight, options.paddingIndex);
    const sizes = { T: ids.size, V, C };
    const { y } = run(kernels.forward, { weight, ids, y: [...ids.shape, C] }, sizes);
    return { y, saves: { ids }, kept: { ...sizes, paddingIndex } };
  },

  /** Adds to the gradient that a tied output layer has left, without a second buffer of the table's size. */
  gradient({ ids }, dy, { kept, into, run }) {
    const { V, C } = kept;
    const args = { dy, ids, dweight: into.weight ?? [V, C] };
    return { weight: run(kernels.backwardWeight, args, { ...kept, accumulate: into.weight ? 1 : 0 }).dweight };
  },
});

/**
 * y[..., c] = weight[ids[...], c]: rows of a table [V, C] by i32 ids [...] → [..., C]. An id outside [0, V) gives zeros
 * and a FaultError at the next await.
 */
export function embedding(weight: Tensor, ids: Tensor, options: EmbeddingOptions = {}): Tensor {
  return embeddingOp({ weight, ids }, options);
}

const NONE = 0xffffffff;

function rowOf(weight: Tensor, index: number | undefined): number {
  if (index === undefined) return NONE;
  const [V] = weight.shape;
  if (!Number.isInteger(index) || index < -V || index >= V)
    throw new OptionError(`embedding: paddingIndex ${index} is not a row of ${describe("weight", weight.shape)}.`);
  return index < 0 ? index + V : index;
}
