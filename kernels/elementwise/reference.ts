import type { NumberArray } from "../contract.js";
import { ACTIVATIONS } from "../matmul/activation.js";
import { activate, activationDerivative } from "../matmul/reference.js";
import { BINARY, type BinaryName, COMPARE, type CompareName, UNARY, type UnaryName } from "./functions.js";

/** Functions by code, from a record by name. */
function table<N extends string, F>(codes: Readonly<Record<N, number>>, functions: Readonly<Record<N, F>>): F[] {
  const out: F[] = [];
  for (const name of Object.keys(codes) as N[]) out[codes[name]] = functions[name];
  return out;
}

const BINARY_FUNCTIONS = table<BinaryName, (a: number, b: number) => number>(BINARY, {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: Math.max,
  min: Math.min,
  first: (a) => a,
  greaterShare: (a, b) => (a > b ? 1 : a === b ? 0.5 : 0),
});

const COMPARE_FUNCTIONS = table<CompareName, (a: number, b: number) => boolean>(COMPARE, {
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
});

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const UNARY_FUNCTIONS = table<UnaryName, (x: number, alpha: number, beta: number) => number>(UNARY, {
  affine: (x, alpha, beta) => alpha * x + beta,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  abs: Math.abs,
  square: (x) => x * x,
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid,
  relu: (x) => Math.max(x, 0),
  gelu: (x) => activate(ACTIVATIONS.gelu, x),
  geluTanh: (x) => activate(ACTIVATIONS.geluTanh, x),
  quickGelu: (x) => activate(ACTIVATIONS.quickGelu, x),
  silu: (x) => activate(ACTIVATIONS.silu, x),
  sign: Math.sign,
  floor: Math.floor,
  clamp: (x, alpha, beta) => Math.max(alpha, Math.min(beta, x)),
  pow: (x, alpha) => x ** alpha,
});

/** f'(x), from `s`: x or y as DERIVATIVE_OF says. */
const DERIVATIVES = table<UnaryName, (s: number, alpha: number, beta: number) => number>(UNARY, {
  affine: (_, alpha) => alpha,
  exp: (y) => y,
  log: (x) => 1 / x,
  sqrt: (y) => 0.5 / y,
  rsqrt: (y) => -0.5 * y ** 3,
  abs: Math.sign,
  square: (x) => 2 * x,
  reciprocal: (y) => -y * y,
  sin: Math.cos,
  cos: (x) => -Math.sin(x),
  tanh: (y) => 1 - y * y,
  sigmoid: (y) => y * (1 - y),
  relu: (y) => (y > 0 ? 1 : 0),
  gelu: (x) => activationDerivative(ACTIVATIONS.gelu, x),
  geluTanh: (x) => activationDerivative(ACTIVATIONS.geluTanh, x),
  quickGelu: (x) => activationDerivative(ACTIVATIONS.quickGelu, x),
  silu: (x) => activationDerivative(ACTIVATIONS.silu, x),
  sign: () => 0,
  floor: () => 0,
  clamp: (x, alpha, beta) => (x >= alpha && x <= beta ? 1 : 0),
  pow: (x, alpha) => (alpha === 0 ? 0 : alpha * x ** (alpha - 1)),
});

export function unary(
  { x, y }: { x: NumberArray; y: NumberArray },
  { n, f, alpha, beta }: { n: number; f: number; alpha: number; beta: number },
): void {
  for (let i = 0; i < n; i++) y[i] = UNARY_FUNCTIONS[f](x[i], alpha, beta);
}

export function unaryBackwardInput(
  { dy, saved, dx }: { dy: NumberArray; saved: NumberArray; dx: NumberArray },
  { n, f, alpha, beta }: { n: number; f: number; alpha: number; beta: number },
): void {
  for (let i = 0; i < n; i++) dx[i] = dy[i] * DERIVATIVES[f](saved[i], alpha, beta);
}

export function binary(
  { a, b, y }: { a: NumberArray; b: NumberArray; y: NumberArray },
  { n, f }: { n: number; f: number },
): void {
  for (let i = 0; i < n; i++) y[i] = BINARY_FUNCTIONS[f](a[i], b[i]);
}

export function accumulate({ x, y }: { x: NumberArray; y: NumberArray }, { n }: { n: number }): void {
  for (let i = 0; i < n; i++) y[i] += x[i];
}

type BroadcastParams = { n: number; f: number } & Record<`${"d" | "a" | "b"}${0 | 1 | 2 | 3 | 4 | 5}`, number>;

export function binaryBroadcast(
  { a, b, y }: { a: NumberArray; b: NumberArray; y: NumberArray },
  p: BroadcastParams,
): void {
  let i = 0;
  for (let i0 = 0; i0 < p.d0; i0++)
    for (let i1 = 0; i1 < p.d1; i1++)
      for (let i2 = 0; i2 < p.d2; i2++)
        for (let i3 = 0; i3 < p.d3; i3++)
          for (let i4 = 0; i4 < p.d4; i4++)
            for (let i5 = 0; i5 < p.d5; i5++) {
              const ia = i0 * p.a0 + i1 * p.a1 + i2 * p.a2 + i3 * p.a3 + i4 * p.a4 + i5 * p.a5;
              const ib = i0 * p.b0 + i1 * p.b1 + i2 * p.b2 + i3 * p.b3 + i4 * p.b4 + i5 * p.b5;
              y[i++] = BINARY_FUNCTIONS[p.f](a[ia], b[ib]);
            }
}

export function compare(
  { a, b, y }: { a: NumberArray; b: NumberArray; y: NumberArray },
  { n, f }: { n: number; f: number },
): void {
  for (let i = 0; i < n; i++) y[i] = COMPARE_FUNCTIONS[f](a[i], b[i]) ? 1 : 0;
}

export function where(
  { condition, a, b, y }: { condition: NumberArray; a: NumberArray; b: NumberArray; y: NumberArray },
  { n }: { n: number },
): void {
  for (let i = 0; i < n; i++) y[i] = condition[i] !== 0 ? a[i] : b[i];
}
