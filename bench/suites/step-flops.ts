import type { MissConfig } from "../../models/miss/config.js";

export interface StepSizes {
  readonly B: number;
  /** Tokens of the longest question and answer of the batch. */
  readonly Q: number;
  readonly A: number;
}

/**
 * Floating-point operations of the products of one training step of MISS: 2 per multiply-add; a linear layer costs its
 * forward twice more in the backward, attention two and a half times (its scores again, then four products).
 */
export function stepFlops(c: MissConfig, { B, Q, A }: StepSizes): number {
  const patches = (c.imageSize / c.patch) ** 2;
  const N = patches + 1;
  const [W, C] = [c.visionWidth, c.hidden];

  const patchEmbed = 2 * B * patches * 3 * c.patch ** 2 * W;
  const visionLayers = c.visionDepth * 2 * B * N * (4 * W * W + 2 * W * c.visionMlp);
  const visionAttention = c.visionDepth * 4 * B * N * N * W;

  /** L tokens that also read S states of `width`; `pairs` of query and key in self-attention. */
  const text = (L: number, S: number, width: number, pairs: number) => ({
    linear: c.layers * 2 * B * (L * (4 * C * C + 2 * C * C + 2 * C * c.intermediate) + S * 2 * width * C),
    attention: c.layers * 4 * B * C * (pairs + L * S),
  });
  const encoder = text(Q, N, W, Q * Q);
  const decoder = text(A, Q, C, (A * (A + 1)) / 2);
  const head = 2 * B * (A - 1) * (C * C + C * c.vocab);

  const linear = visionLayers + encoder.linear + decoder.linear + head;
  // The image gets no gradient.
  return 3 * linear + 2 * patchEmbed + 3.5 * (visionAttention + encoder.attention + decoder.attention);
}
