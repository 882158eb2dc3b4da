import * as kernels from "../../kernels/rms-norm/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import type { Tensor } from "../tensor.js";

export const rmsNormOp = defineOp({
  name: "rmsNorm",
  autocast: "f32",
  inputs: { x: float("...", "C"), weight: float("C") },

  forward({ x, weight }, { eps }: { eps: number }, { dims: { C }, run }) {
    const T = x.size / Math.max(1, C);
    const { y, rstd } = run(kernels.forward, { x, weight, y: x.shape, rstd: [T] }, { T, C, eps });
    return { y, saves: { x, weight, rstd } };
  },

  gradient({ x, weight, rstd }, dy, { dims: { C }, needs, run }) {
    const T = x.size / Math.max(1, C);
    return {
      x: needs.x ? run(kernels.backwardInput, { dy, x, weight, rstd, dx: x.shape }, { T, C }).dx : null,
      weight: needs.weight ? run(kernels.backwardWeight, { dy, x, rstd, dweight: [C] }, { T, C }).dweight : null,
    };
  },
});

/**
 * y = x / sqrt(mean(x²) + eps) · weight over the last dimension. x [..., C], weight [C].
 * Zhang, Sennrich: Root Mean Square Layer Normalization, arXiv 1910.07467.
 */
export function rmsNorm(x: Tensor, weight: Tensor, options: { eps?: number } = {}): Tensor {
  return rmsNormOp({ x, weight }, { eps: options.eps ?? 1e-5 });
}
