import * as kernels from "../../kernels/copy/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { any } from "../dispatch/op-schema.js";
import { run } from "../dispatch/run.js";
import { ShapeError } from "../errors.js";
import { dimIndex, sizeOf } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { copyStrided, empty, ofType } from "./moves.js";
import { collapse, contiguousStrides, padded } from "./strides.js";

/** y's dimension k is x's dimension `order[k]`. */
function permuted(x: Tensor, order: readonly number[]): Tensor {
  const shape = order.map((d) => x.shape[d]);
  const strides = contiguousStrides(x.shape);
  const from = order.map((d) => strides[d]);
  const to = contiguousStrides(shape);
  const y = empty(x.device, shape, x.dtype, "permute");
  const grid = collapse(shape, [from, to]);
  const [xStrides, yStrides] = grid.strides;
  const last = grid.sizes.length - 1;
  const along = xStrides.indexOf(1);
  if (last < 0 || along < 0 || along === last) {
    copyStrided("permute", x, { strides: from }, y, { strides: to }, shape);
    return y;
  }
  // x is contiguous along one dimension, y along another: tiles of the two.
  const outer = (values: readonly number[]) => values.filter((_, i) => i !== along && i !== last);
  const [d0, d1, d2, d3] = padded("permute", outer(grid.sizes), 1, 4);
  const [x0, x1, x2, x3] = padded("permute", outer(xStrides), 0, 4);
  const [y0, y1, y2, y3] = padded("permute", outer(yStrides), 0, 4);
  const matrix = { I: grid.sizes[last], J: grid.sizes[along], xRow: xStrides[last], yRow: yStrides[along] };
  const params = { d0, d1, d2, d3, x0, x1, x2, x3, y0, y1, y2, y3, ...matrix };
  if (sizeOf(shape) > 0) run(x.device, ofType(x, kernels.transpose, kernels.transposeInt), { x, y }, params);
  return y;
}

export const permuteOp = defineOp({
  name: "permute",
  inputs: { x: any("...") },

  forward({ x }, { dims }: { dims: readonly number[] }) {
    const order = dims.map((d) => dimIndex("permute", d, x.rank));
    if (order.length !== x.rank || new Set(order).size !== x.rank)
      throw new ShapeError(
        `permute: dims [${dims.join(", ")}] do not name each dimension of [${x.shape.join(", ")}] once.`,
      );
    return { y: permuted(x, order), kept: order };
  },

  gradient(_saved, dy, { kept: order }) {
    return {
      x: permuted(
        dy,
        order.map((_, d) => order.indexOf(d)),
      ),
    };
  },
});

/** Dimensions in another order: that of the result's dimension k is `dims[k]` in x. A copy. */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  return permuteOp({ x }, { dims });
}

/** Two dimensions exchanged; by default the last two. */
export function transpose(x: Tensor, dim0 = -2, dim1 = -1): Tensor {
  x.check("transpose");
  const [a, b] = [dimIndex("transpose", dim0, x.rank), dimIndex("transpose", dim1, x.rank)];
  return permute(
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
}
