import { philox, uniform } from "../common/philox.js";
import type { NumberArray } from "../contract.js";

interface Sizes {
  T: number;
  N: number;
  K: number;
  R: number;
  scale: number;
}
interface Dropout {
  dropout: number;
  sequence: number;
}

/** What dropout multiplies element `position` of x with: 0 or 1 / (1 - rate). */
function factor(random: NumberArray | null, { dropout, sequence }: Dropout, position: number): number {
  if (!random || dropout === 0) return 1;
  return uniform(philox(random, sequence, position)) >= dropout ? 1 / (1 - dropout) : 0;
}

export function forward(
  buffers: {
    x: NumberArray;
    weight: NumberArray;
    a: NumberArray;
    b: NumberArray;
    bias: NumberArray | null;
    random: NumberArray | null;
    y: NumberArray;
    h: NumberArray;
  },
  p: Sizes & Dropout,
): void {
  const { x, weight, a, b, bias, random, y, h } = buffers;
  const { T, N, K, R } = p;
  for (let t = 0; t < T; t++) {
    const dropped = Float64Array.from({ length: K }, (_, k) => x[t * K + k] * factor(random, p, t * K + k));
    const rank = new Float64Array(R);
    for (let r = 0; r < R; r++) {
      for (let k = 0; k < K; k++) rank[r] += dropped[k] * a[r * K + k];
      h[t * R + r] = rank[r];
    }
    for (let n = 0; n < N; n++) {
      let sum = bias ? bias[n] : 0;
      for (let k = 0; k < K; k++) sum += x[t * K + k] * weight[n * K + k];
      for (let r = 0; r < R; r++) sum += p.scale * rank[r] * b[n * R + r];
      y[t * N + n] = sum;
    }
  }
}

export function backwardInput(
  buffers: {
    dy: NumberArray;
    weight: NumberArray;
    a: NumberArray;
    b: NumberArray;
    random: NumberArray | null;
    dx: NumberArray | null;
    g: NumberArray;
  },
  p: Sizes & Dropout,
): void {
  const { dy, weight, a, b, random, dx, g } = buffers;
  const { T, N, K, R } = p;
  for (let t = 0; t < T; t++) {
    const rank = new Float64Array(R);
    for (let r = 0; r < R; r++) {
      for (let n = 0; n < N; n++) rank[r] += p.scale * dy[t * N + n] * b[n * R + r];
      g[t * R + r] = rank[r];
    }
    for (let k = 0; dx && k < K; k++) {
      let sum = 0;
      for (let n = 0; n < N; n++) sum += dy[t * N + n] * weight[n * K + k];
      let branch = 0;
      for (let r = 0; r < R; r++) branch += rank[r] * a[r * K + k];
      dx[t * K + k] = sum + branch * factor(random, p, t * K + k);
    }
  }
}

export function backwardAdapter(
  buffers: {
    dy: NumberArray;
    x: NumberArray;
    h: NumberArray;
    g: NumberArray;
    random: NumberArray | null;
    da: NumberArray;
    db: NumberArray;
  },
  p: Sizes & Dropout & { accumulateA: number; accumulateB: number },
): void {
  const { dy, x, h, g, random, da, db } = buffers;
  const { T, N, K, R } = p;
  for (let r = 0; r < R; r++) {
    for (let k = 0; k < K; k++) {
      let sum = p.accumulateA ? da[r * K + k] : 0;
      for (let t = 0; t < T; t++) sum += g[t * R + r] * x[t * K + k] * factor(random, p, t * K + k);
      da[r * K + k] = sum;
    }
    for (let n = 0; n < N; n++) {
      let sum = p.accumulateB ? db[n * R + r] : 0;
      for (let t = 0; t < T; t++) sum += p.scale * dy[t * N + n] * h[t * R + r];
      db[n * R + r] = sum;
    }
  }
}

export function merge(
  { weight, a, b }: { weight: NumberArray; a: NumberArray; b: NumberArray },
  { N, K, R, scale }: Omit<Sizes, "T">,
): void {
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      let sum = 0;
      for (let r = 0; r < R; r++) sum += b[n * R + r] * a[r * K + k];
      weight[n * K + k] += scale * sum;
    }
  }
}
