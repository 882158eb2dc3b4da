import type { NumberArray } from "../contract.js";

export function multiplyAdd(
  { y }: { y: NumberArray },
  { n, steps, factor, term }: { n: number; steps: number; factor: number; term: number },
): void {
  for (let i = 0; i < n; i++) {
    let s = i % 256;
    for (let step = 0; step < steps; step++) s = s * factor + term;
    y[i] = s;
  }
}

export function matrixMultiplyAdd(
  { left, right, y }: { left: NumberArray; right: NumberArray; y: NumberArray },
  { B, steps }: { B: number; steps: number },
): void {
  const [M, N, K] = [64, 32, 16];
  for (let b = 0; b < B; b++)
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += left[m * K + k] * right[k * N + n];
        y[(b * M + m) * N + n] = steps * sum;
      }
}

export function copy({ x, y }: { x: NumberArray; y: NumberArray }, { n }: { n: number }): void {
  for (let i = 0; i < n; i++) y[i] = x[i];
}

export function launch({ y }: { y: NumberArray }, { value }: { value: number }): void {
  y[0] = value;
}
