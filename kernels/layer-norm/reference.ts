import type { NumberArray } from "../contract.js";

type Shape = { T: number; C: number };

export function forward(
  b: { x: NumberArray; weight: NumberArray; bias: NumberArray; y: NumberArray; mean: NumberArray; rstd: NumberArray },
  { T, C, eps }: Shape & { eps: number },
): void {
  for (let t = 0; t < T; t++) {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += b.x[t * C + c];
    const mean = sum / C;
    let squares = 0;
    for (let c = 0; c < C; c++) squares += (b.x[t * C + c] - mean) ** 2;
    const rstd = 1 / Math.sqrt(squares / C + eps);
    for (let c = 0; c < C; c++) b.y[t * C + c] = (b.x[t * C + c] - mean) * rstd * b.weight[c] + b.bias[c];
    b.mean[t] = mean;
    b.rstd[t] = rstd;
  }
}

export function backwardInput(
  b: { dy: NumberArray; x: NumberArray; weight: NumberArray; mean: NumberArray; rstd: NumberArray; dx: NumberArray },
  { T, C }: Shape,
): void {
  for (let t = 0; t < T; t++) {
    let sumG = 0;
    let sumGX = 0;
    for (let c = 0; c < C; c++) {
      const g = b.dy[t * C + c] * b.weight[c];
      sumG += g;
      sumGX += g * (b.x[t * C + c] - b.mean[t]) * b.rstd[t];
    }
    for (let c = 0; c < C; c++) {
      const g = b.dy[t * C + c] * b.weight[c];
      const normalised = (b.x[t * C + c] - b.mean[t]) * b.rstd[t];
      b.dx[t * C + c] = b.rstd[t] * (g - sumG / C - (normalised * sumGX) / C);
    }
  }
}

export function backwardWeight(
  b: {
    dy: NumberArray;
    x: NumberArray;
    mean: NumberArray;
    rstd: NumberArray;
    dweight: NumberArray;
    dbias: NumberArray;
  },
  { T, C }: Shape,
): void {
  for (let c = 0; c < C; c++) {
    let dweight = 0;
    let dbias = 0;
    for (let t = 0; t < T; t++) {
      dweight += b.dy[t * C + c] * (b.x[t * C + c] - b.mean[t]) * b.rstd[t];
      dbias += b.dy[t * C + c];
    }
    b.dweight[c] = dweight;
    b.dbias[c] = dbias;
  }
}
