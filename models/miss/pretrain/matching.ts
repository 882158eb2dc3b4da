/** Image-text matching (ALBEF, arXiv 2107.07651): true pairs against pairs that are hard to tell from them. */
import {
  concat,
  crossEntropy,
  indexSelect,
  mul,
  noGrad,
  scale,
  scope,
  slice,
  softmax,
  type Tensor,
  tensor,
} from "../../../engine/index.js";
import type { PretrainBatch } from "./batch.js";
import { type Both, firstToken } from "./contrast.js";
import { multinomial } from "./multinomial.js";
import type { PretrainNetwork } from "./network.js";

/** Added to each weight, so that no text or image is impossible. */
const FLOOR = 1e-4;

/** For each text of the batch an image that is not its own, and for each image a text: i32 [B]. */
export interface Negatives {
  readonly images: Tensor;
  readonly texts: Tensor;
}

/** How likely each pair of the batch is drawn as a negative, up to a factor: [B, B], 0 for the true pairs. */
export function negativeWeights({ imageToText, textToImage }: Both): Both {
  const [B] = imageToText.shape;
  const others = Float32Array.from({ length: B * B }, (_, i) => (i % (B + 1) === 0 ? 0 : 1));
  return noGrad(() =>
    scope(() => {
      const wrong = tensor(others, { device: imageToText.device, shape: [B, B] });
      const weights = (s: Tensor) => mul(scale(softmax(slice(s, { dim: 1, start: 0, length: B })), 1, FLOOR), wrong);
      return { imageToText: weights(imageToText), textToImage: weights(textToImage) };
    }),
  );
}

/** Drawn by how alike they are. */
export const hardNegatives = (similarities: Both): Negatives =>
  scope(() => {
    const { imageToText, textToImage } = negativeWeights(similarities);
    const images = multinomial(textToImage);
    return { images, texts: multinomial(imageToText) };
  });

/** Cross entropy of telling the B true pairs from 2 B wrong ones; logits [3 B, 2], the true pairs first. */
export function matching(
  network: PretrainNetwork,
  { matchedIds: ids, mask }: PretrainBatch,
  imageStates: Tensor,
  { images, texts }: Negatives,
): { loss: Tensor; logits: Tensor } {
  const [B] = ids.shape;
  const first = (ids: Tensor, mask: Tensor, cross: Tensor) =>
    firstToken(network.text_encoder.forward(ids, { mask, cross, crossMask: null, causal: false }));
  const both = (a: Tensor, b: Tensor) => concat([a, b], 0);
  const of = (t: Tensor, rows: Tensor) => indexSelect(t, 0, rows);
  const right = first(ids, mask, imageStates);
  const wrong = first(
    both(ids, of(ids, texts)),
    both(mask, of(mask, texts)),
    both(of(imageStates, images), imageStates),
  );
  const logits = network.itm_head.forward(both(right, wrong));
  const labels = Int32Array.from({ length: 3 * B }, (_, i) => (i < B ? 1 : 0));
  return { loss: crossEntropy(logits, tensor(labels, { device: ids.device })), logits };
}
