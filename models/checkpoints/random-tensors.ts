import { encodeBf16, encodeF16 } from "../../bindings/half.js";
import { HostRandom, type io } from "../../engine/index.js";

/** A tensor of a checkpoint that is made up. */
export interface RandomTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Standard deviation of normal values, or one value for all. */
  readonly fill: { readonly std: number } | { readonly value: number };
}

/** How it is stored. */
export type RandomDType = "F32" | "F16" | "BF16";

const QUANTILES = 1 << 16;

/**
 * Tensors for the writers, made when their turn comes: the same seed, the same bytes. Normal values are drawn from 65,536 quantiles
 * of the normal distribution, as fine as halves can tell: some 300 million a second.
 */
export function randomTensors(tensors: readonly RandomTensor[], dtype: RandomDType, seed = 0): io.WritableTensor[] {
  const tables = new Map<number, Uint16Array | Float32Array>();
  const tableOf = (std: number) => {
    const known =
      tables.get(std) ??
      stored(
        Float32Array.from(quantiles(), (q) => std * q),
        dtype,
      );
    tables.set(std, known);
    return known;
  };
  return tensors.map(({ name, shape, fill }, i) => ({
    name,
    shape,
    dtype,
    read: () => {
      const count = shape.reduce((a, b) => a * b, 1);
      const values = "value" in fill ? constant(count, fill.value, dtype) : drawn(count, tableOf(fill.std), seed, i);
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    },
  }));
}

const stored = (values: Float32Array, dtype: RandomDType) =>
  dtype === "F32" ? values : dtype === "BF16" ? encodeBf16(values) : encodeF16(values);

function constant(count: number, value: number, dtype: RandomDType): Uint16Array | Float32Array {
  const [one] = stored(Float32Array.of(value), dtype);
  return dtype === "F32" ? new Float32Array(count).fill(one) : new Uint16Array(count).fill(one);
}

/** Two values for each word of xoshiro128++ (Blackman, Vigna: arXiv 1805.01407), which Philox starts. */
function drawn(
  count: number,
  table: Uint16Array | Float32Array,
  seed: number,
  stream: number,
): Uint16Array | Float32Array {
  const out = table instanceof Float32Array ? new Float32Array(count) : new Uint16Array(count);
  const start = new HostRandom(seed, stream);
  let [a, b, c, d] = [start.word() | 1, start.word(), start.word(), start.word()];
  for (let i = 0; i < count; i += 2) {
    const sum = (a + d) | 0;
    const word = (((sum << 7) | (sum >>> 25)) + a) | 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    out[i] = table[word & 0xffff];
    // A write behind the end is none.
    out[i + 1] = table[word >>> 16];
  }
  return out;
}

let known: Float64Array | null = null;

/** The middles of 65,536 equal shares of the normal distribution. */
function quantiles(): Float64Array {
  if (known) return known;
  known = new Float64Array(QUANTILES);
  for (let i = 0; i < QUANTILES / 2; i++) {
    known[i] = normalQuantile((i + 0.5) / QUANTILES);
    known[QUANTILES - 1 - i] = -known[i];
  }
  return known;
}

/** For p up to 1/2: Abramowitz and Stegun 26.2.23, then two steps of Newton's on the distribution itself. */
function normalQuantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(p));
  let x = -(t - (2.515517 + t * (0.802853 + 0.010328 * t)) / (1 + t * (1.432788 + t * (0.189269 + 0.001308 * t))));
  for (let step = 0; step < 2; step++) {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    x -= (lowerTail(x) - p) / density;
  }
  return x;
}

/** Φ(x) for x <= 0: the continued fraction far out, the series near zero. */
function lowerTail(x: number): number {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (x < -3) {
    let fraction = -x;
    for (let n = 60; n >= 1; n--) fraction = -x + n / fraction;
    return density / fraction;
  }
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= (x * x) / (2 * n + 1);
    sum += term;
  }
  return 0.5 + density * sum;
}
