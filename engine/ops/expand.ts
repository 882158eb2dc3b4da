import { defineOp } from "../dispatch/define-op.js";
import { any } from "../dispatch/op-schema.js";
import { ShapeError } from "../errors.js";
import { around, broadcastShapes, checkShape, dimIndex, type Shape, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { copyStrided, empty, expandTo } from "./moves.js";
import { sumTo } from "./reduce.js";
import { viewAs } from "./reshape.js";
import { checkCount, contiguousStrides } from "./strides.js";

export const expandOp = defineOp({
  name: "expand",
  inputs: { x: any("...") },

  forward({ x }, { shape }: { shape: Shape }) {
    if (!sameShape(broadcastShapes("expand", x.shape, checkShape("expand", shape)), shape))
      throw new ShapeError(`expand: [${x.shape.join(", ")}] does not broadcast to [${shape.join(", ")}].`);
    return { y: expandTo("expand", x, shape), kept: x.shape };
  },

  gradient(_saved, dy, { kept: shape }) {
    return { x: sumTo(dy, shape) };
  },
});

/** x stretched to `shape` by NumPy's rule, as a copy. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return expandOp({ x }, { shape });
}

export const repeatInterleaveOp = defineOp({
  name: "repeatInterleave",
  inputs: { x: any("...") },

  forward({ x }, { dim, repeats }: { dim: number; repeats: number }) {
    const d = dimIndex("repeatInterleave", dim, x.rank);
    checkCount("repeatInterleave", "repeats", repeats);
    const { outer, length, inner } = around(x.shape, d);
    const rows = outer * length;
    const y = empty(x.device, x.shape.with(d, length * repeats), x.dtype, "repeatInterleave");
    const sizes = [rows, repeats, inner];
    copyStrided("repeatInterleave", x, { strides: [inner, 0, 1] }, y, { strides: contiguousStrides(sizes) }, sizes);
    return { y, kept: { shape: x.shape, sizes } };
  },

  gradient(_saved, dy, { kept: { shape, sizes } }) {
    const [rows, , inner] = sizes;
    const repeated = viewAs(dy, sizes);
    const summed = sumTo(repeated, [rows, 1, inner]);
    const dx = viewAs(summed, shape);
    for (const t of new Set([repeated, summed])) if (t !== dy && t !== dx) t.dispose();
    return { x: dx };
  },
});

/** Each element along `dim` `repeats` times in a row: a batch for its beams. */
export function repeatInterleave(x: Tensor, repeats: number, dim: number): Tensor {
  return repeatInterleaveOp({ x }, { dim, repeats });
}
