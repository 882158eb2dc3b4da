import * as kernels from "../../kernels/copy/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { any } from "../dispatch/op-schema.js";
import { around, dimIndex } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { copyStrided, empty, ofType } from "./moves.js";
import { checkCount } from "./strides.js";

export const padOp = defineOp({
  name: "pad",
  inputs: { x: any("...") },

  forward({ x }, { dim, before, after }: { dim: number; before: number; after: number }, { run }) {
    const d = dimIndex("pad", dim, x.rank);
    checkCount("pad", "before", before);
    checkCount("pad", "after", after);
    const { outer: O, length: L, inner: I } = around(x.shape, d);
    const y = empty(x.device, x.shape.with(d, before + L + after), x.dtype, "pad");
    run(ofType(x, kernels.pad, kernels.padInt), { x, y }, { O, L, I, before, after });
    return { y, kept: { shape: x.shape, d, before } };
  },

  gradient(_saved, dy, { kept: { shape, d, before } }) {
    const { outer, length, inner } = around(shape, d);
    const dx = empty(dy.device, shape, dy.dtype, "pad");
    const from = { strides: [dy.shape[d] * inner, 1], offset: before * inner };
    copyStrided("pad", dy, from, dx, { strides: [length * inner, 1] }, [outer, length * inner]);
    return { x: dx };
  },
});

/** x with `before` and `after` zeros along `dim`. */
export function pad(x: Tensor, options: { dim: number; before?: number; after?: number }): Tensor {
  return padOp({ x }, { dim: options.dim, before: options.before ?? 0, after: options.after ?? 0 });
}
