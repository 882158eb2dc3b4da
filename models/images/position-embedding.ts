/**
 * Position embeddings of a ViT for another image size: the grid of patches is resized with bicubic interpolation
 * (Keys, a = -0.75, half-pixel centres, edges clamped, no antialias), the class token in front is kept. Same as
 * `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)`.
 */
import { ShapeError } from "../../engine/index.js";

const A = -0.75;

/** `table` is [1 + from², C], the result [1 + to², C]. */
export function interpolatePositions(table: Float32Array, C: number, to: number): Float32Array {
  const tokens = table.length / C - 1;
  const from = Math.round(Math.sqrt(tokens));
  if (from * from !== tokens || from === 0) {
    throw new ShapeError(`interpolatePositions: ${tokens} positions besides the class token are not a square grid.`);
  }
  if (from === to) return table.slice();

  const taps = cubicTaps(from, to);
  const columns = new Float64Array(from * to * C);
  for (let y = 0; y < from; y++) {
    for (let x = 0; x < to; x++) {
      for (let k = 0; k < 4; k++) {
        const source = (1 + y * from + taps.index[x * 4 + k]) * C;
        const weight = taps.weight[x * 4 + k];
        for (let c = 0; c < C; c++) columns[(y * to + x) * C + c] += weight * table[source + c];
      }
    }
  }

  const grid = new Float64Array(to * to * C);
  for (let y = 0; y < to; y++) {
    for (let k = 0; k < 4; k++) {
      const source = taps.index[y * 4 + k] * to * C;
      const weight = taps.weight[y * 4 + k];
      for (let i = 0; i < to * C; i++) grid[y * to * C + i] += weight * columns[source + i];
    }
  }

  const out = new Float32Array((1 + to * to) * C);
  out.set(table.subarray(0, C));
  out.set(grid, C);
  return out;
}

/** Four source positions and weights for each of `to` positions. */
function cubicTaps(from: number, to: number) {
  const index = new Int32Array(to * 4);
  const weight = new Float64Array(to * 4);
  for (let out = 0; out < to; out++) {
    const center = ((out + 0.5) * from) / to - 0.5;
    const base = Math.floor(center);
    for (let k = 0; k < 4; k++) {
      index[out * 4 + k] = Math.min(Math.max(base + k - 1, 0), from - 1);
      weight[out * 4 + k] = keys(Math.abs(center - (base + k - 1)));
    }
  }
  return { index, weight };
}

/** Keys' cubic convolution kernel at distance 0 <= d < 2. */
function keys(d: number): number {
  if (d <= 1) return ((A + 2) * d - (A + 3)) * d * d + 1;
  return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A;
}
