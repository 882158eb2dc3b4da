import type { Loop } from "./loop.js";
import { biased, product, turned } from "./product.js";

/** By Abramowitz and Stegun 7.1.26, within 1.5e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

export const matmul: Loop = ({ options: { transposeB = false, activation } }, { a, b, bias }) => {
  if (activation && activation !== "gelu") return `plain loops have no ${activation}`;
  const [M, K] = a.shape;
  const N = b.shape[transposeB ? 0 : 1];
  return () => {
    const y = biased(M, N, bias?.values);
    product({ a: a.values, M, K, N, b: b.values, transposed: transposeB as boolean, c: y });
    if (activation) for (let i = 0; i < y.length; i++) y[i] *= 0.5 * (1 + erf(y[i] * Math.SQRT1_2));
    return { y };
  };
};

/** y = x Wᵀ + bias + scale (x Aᵀ) Bᵀ; with a backward, the base frozen. */
export const loraMatmul: Loop = ({ options, trained }, { x, weight, a, b, bias, dy }) => {
  if (options.dropout) return "plain loops draw no dropout";
  const scale = options.scale as number;
  const [T, K] = x.shape;
  const [N, R] = b.shape;
  const linear = (from: Float32Array, inner: number, matrix: Float32Array, outer: number, c: Float32Array) => {
    product({ a: from, M: T, K: inner, N: outer, b: matrix, transposed: true, c });
    return c;
  };
  return (): Readonly<Record<string, Float32Array>> => {
    const h = linear(x.values, K, a.values, R, new Float32Array(T * R));
    const scaled = h.map((value) => scale * value);
    const y = linear(x.values, K, weight.values, N, biased(T, N, bias?.values));
    linear(scaled, R, b.values, N, y);
    if (trained.length === 0) return { y };
    const dh = new Float32Array(T * R);
    product({ a: dy.values, M: T, K: N, N: R, b: b.values, transposed: false, c: dh });
    for (let i = 0; i < dh.length; i++) dh[i] *= scale;
    const dx = new Float32Array(T * K);
    product({ a: dy.values, M: T, K: N, N: K, b: weight.values, transposed: false, c: dx });
    product({ a: dh, M: T, K: R, N: K, b: a.values, transposed: false, c: dx });
    const da = new Float32Array(R * K);
    product({ a: turned(dh, T, R), M: R, K: T, N: K, b: x.values, transposed: false, c: da });
    const db = new Float32Array(N * R);
    product({ a: turned(dy.values, T, N), M: N, K: T, N: R, b: scaled, transposed: false, c: db });
    return { y, dx, da, db };
  };
};
