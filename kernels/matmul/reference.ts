import type { NumberArray } from "../contract.js";
import { ACTIVATIONS } from "./activation.js";

/** erf(x) to float64 accuracy: Taylor series near zero, continued fraction of erfc beyond. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = size;
    let sum = size;
    for (let n = 1; Math.abs(term) > 1e-18 * sum; n++) {
      term *= (-size * size) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = size;
  for (let n = 60; n >= 1; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-size * size) / (fraction * Math.sqrt(Math.PI)));
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const GELU_TANH = Math.sqrt(2 / Math.PI);
const geluTanhArgument = (x: number) => GELU_TANH * (x + 0.044715 * x ** 3);

export function activate(code: number, x: number): number {
  switch (code) {
    case ACTIVATIONS.none:
      return x;
    case ACTIVATIONS.gelu:
      return (x * (1 + erf(x / Math.SQRT2))) / 2;
    case ACTIVATIONS.geluTanh:
      return (x * (1 + Math.tanh(geluTanhArgument(x)))) / 2;
    case ACTIVATIONS.quickGelu:
      return x * sigmoid(1.702 * x);
    case ACTIVATIONS.silu:
      return x * sigmoid(x);
    case ACTIVATIONS.tanh:
      return Math.tanh(x);
    case ACTIVATIONS.relu:
      return Math.max(x, 0);
    default:
      throw new RangeError(`no activation has the code ${code}`);
  }
}

export function activationDerivative(code: number, x: number): number {
  switch (code) {
    case ACTIVATIONS.none:
      return 1;
    case ACTIVATIONS.gelu:
      return (1 + erf(x / Math.SQRT2)) / 2 + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
    case ACTIVATIONS.geluTanh: {
      const t = Math.tanh(geluTanhArgument(x));
      return (1 + t) / 2 + ((x * (1 - t * t)) / 2) * GELU_TANH * (1 + 3 * 0.044715 * x * x);
    }
    case ACTIVATIONS.quickGelu: {
      const s = sigmoid(1.702 * x);
      return s + 1.702 * x * s * (1 - s);
    }
    case ACTIVATIONS.silu: {
      const s = sigmoid(x);
      return s + x * s * (1 - s);
    }
    case ACTIVATIONS.tanh:
      return 1 - Math.tanh(x) ** 2;
    case ACTIVATIONS.relu:
      return x > 0 ? 1 : 0;
    default:
      throw new RangeError(`no activation has the code ${code}`);
  }
}

interface ForwardBuffers {
  a: NumberArray;
  b: NumberArray;
  bias: NumberArray | null;
  y: NumberArray;
  preactivation: NumberArray | null;
}
interface ForwardParams {
  B: number;
  M: number;
  N: number;
  K: number;
  transposeA: number;
  transposeB: number;
  batchedA: number;
  batchedB: number;
  activation: number;
  accumulate: number;
}

export function forward(buffers: ForwardBuffers, p: ForwardParams): void {
  const { a, b, bias, y, preactivation } = buffers;
  const { B, M, N, K } = p;
  const [aRow, aCol] = p.transposeA ? [1, M] : [K, 1];
  const [bRow, bCol] = p.transposeB ? [1, K] : [N, 1];
  for (let batch = 0; batch < B; batch++) {
    const a0 = p.batchedA ? batch * M * K : 0;
    const b0 = p.batchedB ? batch * K * N : 0;
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let sum = bias ? bias[n] : 0;
        for (let k = 0; k < K; k++) sum += a[a0 + m * aRow + k * aCol] * b[b0 + k * bRow + n * bCol];
        const i = (batch * M + m) * N + n;
        if (preactivation) preactivation[i] = sum;
        y[i] = p.accumulate ? y[i] + sum : activate(p.activation, sum);
      }
    }
  }
}

export function backwardActivation(
  b: { dy: NumberArray; preactivation: NumberArray; dpreactivation: NumberArray; dbias: NumberArray | null },
  { T, N, activation }: { T: number; N: number; activation: number },
): void {
  for (let n = 0; n < N; n++) {
    let dbias = 0;
    for (let t = 0; t < T; t++) {
      const i = t * N + n;
      const d = b.dy[i] * activationDerivative(activation, b.preactivation[i]);
      b.dpreactivation[i] = d;
      dbias += d;
    }
    if (b.dbias) b.dbias[n] = dbias;
  }
}

export function backwardBias(
  b: { dy: NumberArray; dbias: NumberArray },
  { T, N, accumulate }: { T: number; N: number; accumulate: number },
): void {
  for (let n = 0; n < N; n++) {
    let sum = accumulate ? b.dbias[n] : 0;
    for (let t = 0; t < T; t++) sum += b.dy[t * N + n];
    b.dbias[n] = sum;
  }
}
