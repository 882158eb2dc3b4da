import * as kernels from "../../kernels/layer-norm/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import type { Tensor } from "../tensor.js";

export const layerNormOp = defineOp({
  name: "layerNorm",
  autocast: "f32",
  inputs: { x: float("...", "C"), weight: float("C"), bias: float("C") },

  forward({ x, weight, bias }, { eps }: { eps: number }, { dims: { C }, run }) {
    const T = x.size / Math.max(1, C);
    const args = { x, weight, bias, y: x.shape, mean: [T], rstd: [T] };
    const { y, mean, rstd } = run(kernels.forward, args, { T, C, eps });
    return { y, saves: { x, weight, mean, rstd } };
  },

  gradient({ x, weight, mean, rstd }, dy, { dims: { C }, needs, run }) {
    const T = x.size / Math.max(1, C);
    const dx = needs.x && run(kernels.backwardInput, { dy, x, weight, mean, rstd, dx: x.shape }, { T, C }).dx;
    if (!needs.weight && !needs.bias) return { x: dx || null };
    const { dweight, dbias } = run(kernels.backwardWeight, { dy, x, mean, rstd, dweight: [C], dbias: [C] }, { T, C });
    return { x: dx || null, weight: dweight, bias: dbias };
  },
});

/**
 * y = (x - mean) / sqrt(var + eps) · weight + bias over the last dimension; var is biased. x [..., C], weight and bias [C].
 * Ba, Kiros, Hinton: Layer Normalization, arXiv 1607.06450.
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, options: { eps?: number } = {}): Tensor {
  return layerNormOp({ x, weight, bias }, { eps: options.eps ?? 1e-5 });
}
