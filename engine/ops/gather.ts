import * as kernels from "../../kernels/gather/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { any, float, int } from "../dispatch/op-schema.js";
import { describe, ShapeError } from "../errors.js";
import { around, dimIndex, type Shape, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { empty, ofType } from "./moves.js";

/** Where the index picks along dim `d`: all other sizes must be those of `shape`. */
function layout(op: string, shape: Shape, index: Tensor, d: number) {
  if (index.rank !== shape.length || !sameShape(index.shape, shape.with(d, index.shape[d])))
    throw new ShapeError(
      `${op}: ${describe("index", index.shape)} must have the shape [${shape.join(", ")}], but in dim ${d}.`,
    );
  const { outer: O, length: V, inner: I } = around(shape, d);
  if (V === 0 && index.size > 0)
    throw new ShapeError(
      `${op}: dim ${d} of [${shape.join(", ")}] is empty, but index picks ${index.size} elements of it.`,
    );
  return { O, V, K: index.shape[d], I };
}

export const gatherOp = defineOp({
  name: "gather",
  inputs: { x: any("..."), index: int("...") },

  forward({ x, index }, { dim }: { dim: number }, { run }) {
    const sizes = layout("gather", x.shape, index, dimIndex("gather", dim, x.rank));
    const y = empty(x.device, index.shape, x.dtype, "gather");
    run(ofType(x, kernels.forward, kernels.forwardInt), { x, index, y }, sizes);
    return { y, saves: { index }, kept: { sizes, shape: x.shape } };
  },

  gradient({ index }, dy, { kept: { sizes, shape }, run }) {
    return { x: run(kernels.scatterAdd, { x: dy, index, base: null, y: shape }, { ...sizes, hasBase: 0 }).y };
  },
});

export const scatterAddOp = defineOp({
  name: "scatterAdd",
  inputs: { base: float("..."), index: int("..."), x: float("...") },

  forward({ base, index, x }, { dim }: { dim: number }, { run }) {
    const sizes = layout("scatterAdd", base.shape, index, dimIndex("scatterAdd", dim, base.rank));
    if (!sameShape(x.shape, index.shape))
      throw new ShapeError(
        `scatterAdd: ${describe("x", x.shape)} and ${describe("index", index.shape)} must have one shape.`,
      );
    const { y } = run(kernels.scatterAdd, { x, index, base, y: base.shape }, { ...sizes, hasBase: 1 });
    return { y, saves: { index }, kept: { sizes, shape: x.shape } };
  },

  gradient({ index }, dy, { kept: { sizes, shape }, needs, run }) {
    const dx = needs.x ? run(kernels.forward, { x: dy, index, y: shape }, sizes).y : null;
    return { base: needs.base ? dy : null, x: dx };
  },
});

/**
 * y[..., k, ...] = x[..., index[..., k, ...], ...] along `dim`, each element by an index of its own: torch.gather, with all
 * other sizes of index equal to those of x. An index out of range gives zero and a FaultError at the next await. The
 * gradient adds up where an element was picked several times, in the order of k.
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  return gatherOp({ x, index }, { dim });
}

/**
 * base with x[..., k, ...] added to element index[..., k, ...] along `dim`: torch.scatter_add, in the order of k whatever the
 * number of threads. x has the shape of index. An index out of range is left out and gives a FaultError at the next await.
 */
export function scatterAdd(base: Tensor, dim: number, index: Tensor, x: Tensor): Tensor {
  return scatterAddOp({ base, index, x }, { dim });
}
