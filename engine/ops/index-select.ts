import * as kernels from "../../kernels/copy/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { any, int } from "../dispatch/op-schema.js";
import { around, dimIndex } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { empty, ofType } from "./moves.js";

export const indexSelectOp = defineOp({
  name: "indexSelect",
  inputs: { x: any("..."), index: int("K") },

  forward({ x, index }, { dim }: { dim: number }, { dims: { K }, run }) {
    const d = dimIndex("indexSelect", dim, x.rank);
    const { outer: O, length: V, inner: I } = around(x.shape, d);
    const y = empty(x.device, x.shape.with(d, K), x.dtype, "indexSelect");
    run(ofType(x, kernels.indexSelect, kernels.indexSelectInt), { x, index, y }, { O, V, K, I });
    return { y, saves: { index }, kept: { shape: x.shape, d } };
  },

  gradient({ index }, dy, { kept: { shape, d }, dims: { K }, run }) {
    const { outer: O, length: V, inner: I } = around(shape, d);
    const { y } = run(kernels.indexAdd, { x: dy, index, base: null, y: shape }, { O, V, K, I, hasBase: 0 });
    return { x: y };
  },
});

/**
 * y[..., k, ...] = x[..., index[k], ...] along `dim`: rows of x by an i32 index [K]. An index out of range gives zeros and
 * a FaultError at the next await. Rows that occur several times add up in the gradient, in the order of the index.
 */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  return indexSelectOp({ x, index }, { dim });
}
