import * as kernels from "../../kernels/copy/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float, int } from "../dispatch/op-schema.js";
import { describe, ShapeError } from "../errors.js";
import { around, dimIndex, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";

export const indexAddOp = defineOp({
  name: "indexAdd",
  inputs: { base: float("..."), index: int("K"), x: float("...") },

  forward({ base, index, x }, { dim }: { dim: number }, { dims: { K }, run }) {
    const d = dimIndex("indexAdd", dim, base.rank);
    if (!sameShape(x.shape, base.shape.with(d, K)))
      throw new ShapeError(
        `indexAdd: ${describe("x", x.shape)} must be ${describe("base", base.shape)} with ${K} in dim ${dim}, ` +
          `as ${describe("index", index.shape)} says.`,
      );
    const { outer: O, length: V, inner: I } = around(base.shape, d);
    const { y } = run(kernels.indexAdd, { x, index, base, y: base.shape }, { O, V, K, I, hasBase: 1 });
    return { y, saves: { index }, kept: { shape: x.shape, d } };
  },

  gradient({ index }, dy, { kept: { shape, d }, dims: { K }, needs, run }) {
    const { outer: O, length: V, inner: I } = around(dy.shape, d);
    const dx = needs.x ? run(kernels.indexSelect, { x: dy, index, y: shape }, { O, V, K, I }).y : null;
    return { base: needs.base ? dy : null, x: dx };
  },
});

/**
 * base with x[..., k, ...] added to row index[k] along `dim`: the sum over rows of equal index, in the order of the index
 * whatever the number of threads. An index out of range is left out and gives a FaultError at the next await.
 */
export function indexAdd(base: Tensor, dim: number, index: Tensor, x: Tensor): Tensor {
  return indexAddOp({ base, index, x }, { dim });
}
