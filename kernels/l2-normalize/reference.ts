import type { NumberArray } from "../contract.js";

type Params = { T: number; C: number; eps: number };

export function forward(b: { x: NumberArray; y: NumberArray; norm: NumberArray }, { T, C, eps }: Params): void {
  for (let t = 0; t < T; t++) {
    let squares = 0;
    for (let c = 0; c < C; c++) squares += b.x[t * C + c] ** 2;
    b.norm[t] = Math.sqrt(squares);
    for (let c = 0; c < C; c++) b.y[t * C + c] = b.x[t * C + c] / Math.max(b.norm[t], eps);
  }
}

export function backward(
  b: { dy: NumberArray; x: NumberArray; norm: NumberArray; dx: NumberArray },
  { T, C, eps }: Params,
): void {
  for (let t = 0; t < T; t++) {
    const divisor = Math.max(b.norm[t], eps);
    let sum = 0;
    // Below eps the divisor is a constant: no gradient flows through it.
    if (b.norm[t] >= eps) for (let c = 0; c < C; c++) sum += (b.dy[t * C + c] * b.x[t * C + c]) / divisor;
    for (let c = 0; c < C; c++) b.dx[t * C + c] = (b.dy[t * C + c] - (b.x[t * C + c] / divisor) * sum) / divisor;
  }
}
