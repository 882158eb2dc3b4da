import * as kernels from "../../kernels/copy/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { any } from "../dispatch/op-schema.js";
import { ShapeError } from "../errors.js";
import { around, dimIndex } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { copyStrided, empty, ofType } from "./moves.js";
import { checkCount } from "./strides.js";

export const sliceOp = defineOp({
  name: "slice",
  inputs: { x: any("...") },

  forward({ x }, { dim, start, length }: { dim: number; start: number; length: number }) {
    const d = dimIndex("slice", dim, x.rank);
    checkCount("slice", "start", start);
    checkCount("slice", "length", length);
    if (start + length > x.shape[d])
      throw new ShapeError(
        `slice: elements ${start} to ${start + length} do not lie in dim ${dim} of [${x.shape.join(", ")}].`,
      );
    const { outer, inner } = around(x.shape, d);
    const y = empty(x.device, x.shape.with(d, length), x.dtype, "slice");
    const from = { strides: [x.shape[d] * inner, 1], offset: start * inner };
    copyStrided("slice", x, from, y, { strides: [length * inner, 1] }, [outer, length * inner]);
    return { y, kept: { shape: x.shape, d, start } };
  },

  gradient(_saved, dy, { kept: { shape, d, start }, run }) {
    const { outer: O, length, inner: I } = around(dy.shape, d);
    const dx = empty(dy.device, shape, dy.dtype, "slice");
    const sizes = { O, L: length, I, before: start, after: shape[d] - start - length };
    run(ofType(dy, kernels.pad, kernels.padInt), { x: dy, y: dx }, sizes);
    return { x: dx };
  },
});

/** Elements `start` to `start + length` along `dim`: PyTorch's narrow, as a copy. */
export function slice(x: Tensor, options: { dim: number; start: number; length: number }): Tensor {
  return sliceOp({ x }, options);
}

/** Consecutive slices of the given lengths along `dim`, which they fill. */
export function split(x: Tensor, lengths: readonly number[], dim = 0): Tensor[] {
  x.check("split");
  const d = dimIndex("split", dim, x.rank);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total !== x.shape[d])
    throw new ShapeError(`split: lengths [${lengths.join(", ")}] do not fill dim ${dim} of [${x.shape.join(", ")}].`);
  let start = 0;
  return lengths.map((length) => {
    const y = slice(x, { dim: d, start, length });
    start += length;
    return y;
  });
}

/** `count` slices of one length along `dim`; the last is shorter where it does not divide. */
export function chunk(x: Tensor, count: number, dim = 0): Tensor[] {
  x.check("chunk");
  const size = x.shape[dimIndex("chunk", dim, x.rank)];
  const length = Math.ceil(size / Math.max(1, checkCount("chunk", "count", count)));
  const lengths: number[] = [];
  for (let start = 0; start < size; start += length) lengths.push(Math.min(length, size - start));
  return split(x, lengths, dim);
}
