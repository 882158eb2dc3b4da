import * as kernels from "../../kernels/l2-normalize/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import type { Tensor } from "../tensor.js";

export const l2NormalizeOp = defineOp({
  name: "l2Normalize",
  autocast: "f32",
  inputs: { x: float("...", "C") },

  forward({ x }, { eps }: { eps: number }, { dims: { C }, run }) {
    const T = x.size / Math.max(1, C);
    const { y, norm } = run(kernels.forward, { x, y: x.shape, norm: [T] }, { T, C, eps });
    return { y, saves: { x, norm } };
  },

  gradient({ x, norm }, dy, { dims: { C }, options: { eps }, run }) {
    const T = x.size / Math.max(1, C);
    return { x: run(kernels.backward, { dy, x, norm, dx: x.shape }, { T, C, eps }).dx };
  },
});

/** y = x / max(‖x‖₂, eps) over the last dimension. x [..., C]; eps > 0 keeps rows of zeros finite. */
export function l2Normalize(x: Tensor, options: { eps?: number } = {}): Tensor {
  return l2NormalizeOp({ x }, { eps: options.eps ?? 1e-12 });
}
