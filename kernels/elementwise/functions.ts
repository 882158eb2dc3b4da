/**
 * Codes of the element functions, as the u32 param `f` carries them. kernels/elementwise/functions.h and the shaders use
 * the same numbers.
 */
export const BINARY = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  /** NaN where either is NaN, as in min. */
  max: 4,
  min: 5,
  /** a, whatever b is: a copy. */
  first: 6,
  /** 1 where a > b, 1/2 where they are equal, else 0: the share of a in the gradient of max(a, b). */
  greaterShare: 7,
} as const;

export const COMPARE = { equal: 0, notEqual: 1, less: 2, lessEqual: 3, greater: 4, greaterEqual: 5 } as const;

/** `alpha` and `beta` are the f32 params of the unary passes. */
export const UNARY = {
  /** alpha x + beta */
  affine: 0,
  exp: 1,
  log: 2,
  sqrt: 3,
  rsqrt: 4,
  abs: 5,
  square: 6,
  reciprocal: 7,
  sin: 8,
  cos: 9,
  tanh: 10,
  sigmoid: 11,
  relu: 12,
  /** x Φ(x), with the exact erf. */
  gelu: 13,
  /** x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) */
  geluTanh: 14,
  /** x σ(1.702 x) */
  quickGelu: 15,
  /** x σ(x) */
  silu: 16,
  /** -1, 0 or 1. */
  sign: 17,
  floor: 18,
  /** max(alpha, min(beta, x)) */
  clamp: 19,
  /** x to the power alpha. */
  pow: 20,
} as const;

export type BinaryName = keyof typeof BINARY;
export type CompareName = keyof typeof COMPARE;
export type UnaryName = keyof typeof UNARY;

/** What each derivative is written in: the input, the output, or neither. It is what the tape keeps. */
export const DERIVATIVE_OF: Readonly<Record<UnaryName, "x" | "y" | "none">> = {
  affine: "none",
  exp: "y",
  log: "x",
  sqrt: "y",
  rsqrt: "y",
  abs: "x",
  square: "x",
  reciprocal: "y",
  sin: "x",
  cos: "x",
  tanh: "y",
  sigmoid: "y",
  relu: "y",
  gelu: "x",
  geluTanh: "x",
  quickGelu: "x",
  silu: "x",
  sign: "none",
  floor: "none",
  clamp: "x",
  pow: "x",
};
