import type { NumberArray } from "../contract.js";

type Shape = { T: number; C: number };

export function forward(
  b: { x: NumberArray; weight: NumberArray; y: NumberArray; rstd: NumberArray },
  { T, C, eps }: Shape & { eps: number },
): void {
  for (let t = 0; t < T; t++) {
    let squares = 0;
    for (let c = 0; c < C; c++) squares += b.x[t * C + c] ** 2;
    const rstd = 1 / Math.sqrt(squares / C + eps);
    for (let c = 0; c < C; c++) b.y[t * C + c] = b.x[t * C + c] * rstd * b.weight[c];
    b.rstd[t] = rstd;
  }
}

export function backwardInput(
  b: { dy: NumberArray; x: NumberArray; weight: NumberArray; rstd: NumberArray; dx: NumberArray },
  { T, C }: Shape,
): void {
  for (let t = 0; t < T; t++) {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += b.dy[t * C + c] * b.weight[c] * b.x[t * C + c] * b.rstd[t];
    for (let c = 0; c < C; c++) {
      const normalised = b.x[t * C + c] * b.rstd[t];
      b.dx[t * C + c] = b.rstd[t] * (b.dy[t * C + c] * b.weight[c] - (normalised * sum) / C);
    }
  }
}

export function backwardWeight(
  b: { dy: NumberArray; x: NumberArray; rstd: NumberArray; dweight: NumberArray },
  { T, C }: Shape,
): void {
  for (let c = 0; c < C; c++) {
    let sum = 0;
    for (let t = 0; t < T; t++) sum += b.dy[t * C + c] * b.x[t * C + c] * b.rstd[t];
    b.dweight[c] = sum;
  }
}
