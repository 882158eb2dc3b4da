import type { NumberArray } from "../contract.js";

type Params = {
  B: number;
  L: number;
  H: number;
  D: number;
  rotaryDim: number;
  interleaved: number;
  start: number;
  inverse: number;
  theta: number;
};

export function forward(
  b: { x: NumberArray; positions: NumberArray | null; y: NumberArray },
  { B, L, H, D, rotaryDim, interleaved, start, inverse, theta }: Params,
): void {
  const half = rotaryDim / 2;
  for (let token = 0; token < B * L; token++) {
    const position = b.positions ? b.positions[token] : start + (token % L);
    for (let h = 0; h < H; h++) {
      const row = (token * H + h) * D;
      for (let i = 0; i < half; i++) {
        const angle = position * theta ** ((-2 * i) / rotaryDim) * (inverse ? -1 : 1);
        const first = row + (interleaved ? 2 * i : i);
        const second = row + (interleaved ? 2 * i + 1 : i + half);
        b.y[first] = b.x[first] * Math.cos(angle) - b.x[second] * Math.sin(angle);
        b.y[second] = b.x[second] * Math.cos(angle) + b.x[first] * Math.sin(angle);
      }
      for (let d = rotaryDim; d < D; d++) b.y[row + d] = b.x[row + d];
    }
  }
}
