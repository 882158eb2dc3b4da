import type { Loop } from "./loop.js";
import { product } from "./product.js";

/** Of one head: contiguous rows, as the loops of a product want them. */
interface Heads {
  readonly L: number;
  readonly S: number;
  readonly D: number;
  readonly causal: boolean;
  readonly scale: number;
}

/** softmax(scale q kᵀ) v by the scores of a head, [L, S]. */
function attend(q: Float32Array, k: Float32Array, v: Float32Array, { L, S, D, causal, scale }: Heads): Float32Array {
  const scores = new Float32Array(L * S);
  product({ a: q, M: L, K: D, N: S, b: k, transposed: true, c: scores });
  for (let i = 0; i < L; i++) {
    // Queries are the last of the keys; where they are more than these, the first of them see none, and give zeros.
    const seen = causal ? Math.max(0, i + S - L + 1) : S;
    const row = scores.subarray(i * S, (i + 1) * S);
    let largest = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < seen; j++) largest = Math.max(largest, row[j]);
    let sum = 0;
    for (let j = 0; j < seen; j++) {
      row[j] = Math.exp(scale * (row[j] - largest));
      sum += row[j];
    }
    for (let j = 0; j < seen; j++) row[j] /= sum;
    row.fill(0, seen);
  }
  const y = new Float32Array(L * D);
  product({ a: scores, M: L, K: S, N: D, b: v, transposed: false, c: y });
  return y;
}

/** Rows of D numbers, `stride` apart from `at` on, moved side by side, or back. */
function gathered(values: Float32Array, at: number, stride: number, rows: number, D: number): Float32Array {
  const result = new Float32Array(rows * D);
  for (let i = 0; i < rows; i++) result.set(values.subarray(at + i * stride, at + i * stride + D), i * D);
  return result;
}
function scattered(from: Float32Array, to: Float32Array, at: number, stride: number, D: number): void {
  for (let i = 0; i * D < from.length; i++) to.set(from.subarray(i * D, (i + 1) * D), at + i * stride);
}

export const attention: Loop = ({ options, trained }, { q, k, v }) => {
  if (trained.length > 0) return "plain loops have no backward of attention";
  const [B, L, H, D] = q.shape;
  const [, S, G] = k.shape;
  const heads = { L, S, D, causal: Boolean(options.causal), scale: (options.scale as number) ?? 1 / Math.sqrt(D) };
  return () => {
    const y = new Float32Array(q.values.length);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < H; h++) {
        const own = (b * L * H + h) * D;
        const shared = (b * S * G + Math.floor((h * G) / H)) * D;
        const result = attend(
          gathered(q.values, own, H * D, L, D),
          gathered(k.values, shared, G * D, S, D),
          gathered(v.values, shared, G * D, S, D),
          heads,
        );
        scattered(result, y, own, H * D, D);
      }
    }
    return { y };
  };
};

export const attentionPacked: Loop = ({ options, trained }, { qkv }) => {
  if (trained.length > 0) return "plain loops have no backward of attention";
  const [B, S, , H, D] = qkv.shape;
  const heads = { L: S, S, D, causal: Boolean(options.causal), scale: (options.scale as number) ?? 1 / Math.sqrt(D) };
  return () => {
    const y = new Float32Array(B * S * H * D);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < H; h++) {
        const [q, k, v] = [0, 1, 2].map((part) =>
          gathered(qkv.values, ((b * S * 3 + part) * H + h) * D, 3 * H * D, S, D),
        );
        scattered(attend(q, k, v, heads), y, (b * S * H + h) * D, H * D, D);
      }
    }
    return { y };
  };
};
