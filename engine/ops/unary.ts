import { DERIVATIVE_OF, UNARY, type UnaryName } from "../../kernels/elementwise/functions.js";
import * as kernels from "../../kernels/elementwise/kernels.js";
import { value as fillValue } from "../../kernels/fill/kernels.js";
import type { AutocastRule } from "../dispatch/autocast.js";
import { defineOp } from "../dispatch/define-op.js";
import { float } from "../dispatch/op-schema.js";
import { OptionError } from "../errors.js";
import type { Tensor } from "../tensor.js";

interface Constants {
  readonly alpha?: number;
  readonly beta?: number;
}

const unaryOp = (name: string, f: UnaryName, autocast?: AutocastRule) =>
  defineOp({
    name,
    autocast,
    inputs: { x: float("...") },

    forward({ x }, { alpha = 0, beta = 0 }: Constants, { run }) {
      const { y } = run(kernels.unary, { x, y: x.shape }, { n: x.size, f: UNARY[f], alpha, beta });
      const of = DERIVATIVE_OF[f];
      return { y, saves: { saved: of === "x" ? x : of === "y" ? y : null } };
    },

    gradient({ saved }, dy, { options: { alpha = 0, beta = 0 }, run }) {
      const n = dy.size;
      if (saved) {
        const args = { dy, saved, dx: dy.shape };
        return { x: run(kernels.unaryBackwardInput, args, { n, f: UNARY[f], alpha, beta }).dx };
      }
      if (f !== "affine") return { x: run(fillValue, { y: dy.shape }, { n, value: 0 }, dy.dtype as "f32").y };
      if (alpha === 1) return { x: dy };
      return { x: run(kernels.unary, { x: dy, y: dy.shape }, { n, f: UNARY.affine, alpha, beta: 0 }).y };
    },
  });

export const scaleOp = unaryOp("scale", "affine");
export const expOp = unaryOp("exp", "exp", "f32");
export const logOp = unaryOp("log", "log", "f32");
export const sqrtOp = unaryOp("sqrt", "sqrt");
export const rsqrtOp = unaryOp("rsqrt", "rsqrt", "f32");
export const absOp = unaryOp("abs", "abs");
export const squareOp = unaryOp("square", "square", "f32");
export const reciprocalOp = unaryOp("reciprocal", "reciprocal", "f32");
export const sinOp = unaryOp("sin", "sin");
export const cosOp = unaryOp("cos", "cos");
export const tanhOp = unaryOp("tanh", "tanh");
export const sigmoidOp = unaryOp("sigmoid", "sigmoid");
export const reluOp = unaryOp("relu", "relu");
export const geluOp = unaryOp("gelu", "gelu");
export const geluTanhOp = unaryOp("geluTanh", "geluTanh");
export const quickGeluOp = unaryOp("quickGelu", "quickGelu");
export const siluOp = unaryOp("silu", "silu");
export const signOp = unaryOp("sign", "sign");
export const floorOp = unaryOp("floor", "floor");
export const clampOp = unaryOp("clamp", "clamp");
export const powOp = unaryOp("pow", "pow", "f32");

/** x · factor + shift, by element. */
export function scale(x: Tensor, factor: number, shift = 0): Tensor {
  return scaleOp({ x }, { alpha: factor, beta: shift });
}

/** -x */
export function neg(x: Tensor): Tensor {
  return scale(x, -1);
}

/** e to the power x. */
export function exp(x: Tensor): Tensor {
  return expOp({ x }, {});
}

/** The natural logarithm: -infinity at 0, NaN below. */
export function log(x: Tensor): Tensor {
  return logOp({ x }, {});
}

/** √x, NaN below 0. */
export function sqrt(x: Tensor): Tensor {
  return sqrtOp({ x }, {});
}

/** 1 / √x */
export function rsqrt(x: Tensor): Tensor {
  return rsqrtOp({ x }, {});
}

/** |x|; the gradient at 0 is 0. */
export function abs(x: Tensor): Tensor {
  return absOp({ x }, {});
}

/** x² */
export function square(x: Tensor): Tensor {
  return squareOp({ x }, {});
}

/** 1 / x */
export function reciprocal(x: Tensor): Tensor {
  return reciprocalOp({ x }, {});
}

/** sin x, x in radians. */
export function sin(x: Tensor): Tensor {
  return sinOp({ x }, {});
}

/** cos x, x in radians. */
export function cos(x: Tensor): Tensor {
  return cosOp({ x }, {});
}

/** tanh x. */
export function tanh(x: Tensor): Tensor {
  return tanhOp({ x }, {});
}

/** 1 / (1 + exp(-x)) */
export function sigmoid(x: Tensor): Tensor {
  return sigmoidOp({ x }, {});
}

/** max(x, 0); the gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return reluOp({ x }, {});
}

/**
 * x Φ(x) with the exact erf, or with `approximate: "tanh"` x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).
 * Hendrycks, Gimpel: Gaussian Error Linear Units, arXiv 1606.08415.
 */
export function gelu(x: Tensor, options: { approximate?: "none" | "tanh" } = {}): Tensor {
  return options.approximate === "tanh" ? geluTanhOp({ x }, {}) : geluOp({ x }, {});
}

/** x σ(1.702 x): CLIP's GELU. */
export function quickGelu(x: Tensor): Tensor {
  return quickGeluOp({ x }, {});
}

/** x σ(x) */
export function silu(x: Tensor): Tensor {
  return siluOp({ x }, {});
}

/** -1, 0 or 1; the gradient is 0. */
export function sign(x: Tensor): Tensor {
  return signOp({ x }, {});
}

/** The largest whole number not above x; the gradient is 0. */
export function floor(x: Tensor): Tensor {
  return floorOp({ x }, {});
}

/** x kept within [min, max]; the gradient is 0 outside. */
export function clamp(x: Tensor, options: { min?: number; max?: number }): Tensor {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = options;
  if (!(min <= max)) throw new OptionError(`clamp: min ${min} is not below max ${max}.`);
  return clampOp({ x }, { alpha: min, beta: max });
}

/** x to the power of a number; NaN for a negative x and a fraction. */
export function pow(x: Tensor, exponent: number): Tensor {
  if (exponent === 2) return square(x);
  if (exponent === 0.5) return sqrt(x);
  if (exponent === -0.5) return rsqrt(x);
  if (exponent === -1) return reciprocal(x);
  return powOp({ x }, { alpha: exponent });
}
