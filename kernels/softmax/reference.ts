import type { NumberArray } from "../contract.js";

type Params = { T: number; C: number; log: number };

export function forward(b: { x: NumberArray; y: NumberArray }, { T, C, log }: Params): void {
  for (let t = 0; t < T; t++) {
    let maximum = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < C; c++) maximum = Math.max(maximum, b.x[t * C + c]);
    let sum = 0;
    for (let c = 0; c < C; c++) sum += Math.exp(b.x[t * C + c] - maximum);
    for (let c = 0; c < C; c++) {
      const shifted = b.x[t * C + c] - maximum;
      b.y[t * C + c] = log ? shifted - Math.log(sum) : Math.exp(shifted) / sum;
    }
  }
}

export function backward(b: { dy: NumberArray; y: NumberArray; dx: NumberArray }, { T, C, log }: Params): void {
  for (let t = 0; t < T; t++) {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += b.dy[t * C + c] * (log ? 1 : b.y[t * C + c]);
    for (let c = 0; c < C; c++) {
      const dy = b.dy[t * C + c];
      const y = b.y[t * C + c];
      b.dx[t * C + c] = log ? dy - Math.exp(y) * sum : y * (dy - sum);
    }
  }
}
