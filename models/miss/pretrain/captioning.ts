import { crossEntropy, reshape, slice, type Tensor } from "../../../engine/index.js";
import { IGNORE } from "../targets.js";
import type { PretrainBatch } from "./batch.js";
import type { PretrainNetwork } from "./network.js";

/** Label-smoothed cross entropy of each next token of the captions from their images: the mean over all that are no padding. */
export function captioning(
  network: PretrainNetwork,
  { writtenIds, mask, targets }: PretrainBatch,
  imageStates: Tensor,
): Tensor {
  const states = network.text_decoder.states(writtenIds, { mask, cross: imageStates, crossMask: null });
  const [B, L, C] = states.shape;
  const written = reshape(slice(states, { dim: 1, start: 0, length: L - 1 }), [B * (L - 1), C]);
  const logits = network.text_decoder.logits(written);
  const { labelSmoothing } = network.config;
  const loss = crossEntropy(logits, reshape(targets, [B * (L - 1)]), { labelSmoothing, ignoreIndex: IGNORE });
  // Given up here, the logits become their own gradient.
  logits.dispose();
  return loss;
}
