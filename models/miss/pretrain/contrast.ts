/**
 * Image-text contrast with momentum (ALBEF, arXiv 2107.07651): the features of a batch are compared with those that slow
 * copies give of the same batch and gave of earlier ones.
 */
import {
  add,
  clamp,
  concat,
  div,
  l2Normalize,
  logSoftmax,
  matmul,
  mean,
  mul,
  type nn,
  noGrad,
  pad,
  scale,
  scope,
  slice,
  softmax,
  squeeze,
  sum,
  type Tensor,
  tensor,
  transpose,
  writeRows,
} from "../../../engine/index.js";
import type { Bert } from "../bert.js";
import type { VisionTransformer } from "../vision.js";
import type { PretrainBatch } from "./batch.js";
import { follow } from "./momentum.js";
import type { PretrainNetwork } from "./network.js";
import { overwrite } from "./overwrite.js";

/** What the temperature is kept within. */
const COLDEST = 0.001;
const WARMEST = 0.5;

/** Features [B, embedding] of length 1. */
interface Features {
  readonly image: Tensor;
  readonly text: Tensor;
}

/** Images over texts and texts over images: [B, B + queue]. */
export interface Both {
  readonly imageToText: Tensor;
  readonly textToImage: Tensor;
}

export interface ContrastSettings {
  /** Weight of what the slow copies find alike in the targets. */
  readonly alpha: number;
  /** Share of themselves that the slow copies keep; 0.995 as published. */
  readonly momentum?: number;
}

/** What the contrast of a batch gives, for the other two objectives and for checks. */
export interface Contrast {
  readonly loss: Tensor;
  /** [B, N, visionWidth] */
  readonly imageStates: Tensor;
  readonly features: Features;
  readonly slow: Features;
  readonly similarities: Both;
  readonly targets: Both;
}

/**
 * ½ (mean of -Σ y_i2t log softmax(s_i2t) + the same of texts over images). The targets y are α times what the slow copies
 * find alike, and 1 - α times the true pair. The temperature is clamped and the slow copies go their step before; their
 * features take the oldest places of the queues after.
 */
export function contrast(
  network: PretrainNetwork,
  batch: PretrainBatch,
  { alpha, momentum }: ContrastSettings,
): Contrast {
  noGrad(() => scope(() => overwrite(network.temp, clamp(network.temp, { min: COLDEST, max: WARMEST }))));
  const imageStates = network.visual_encoder.forward(batch.image);
  const features = {
    image: feature(network.vision_proj, imageStates),
    text: textFeature(network.text_encoder, network.text_proj, batch),
  };
  follow(network, momentum);
  const slow = noGrad(() =>
    scope(() => ({
      image: imageFeature(network.visual_encoder_m, network.vision_proj_m, batch),
      text: textFeature(network.text_encoder_m, network.text_proj_m, batch),
    })),
  );
  const compared = noGrad(() =>
    scope(() => ({
      image: concat([transpose(slow.image), network.image_queue], 1),
      text: concat([transpose(slow.text), network.text_queue], 1),
    })),
  );
  const similarities = similar(features, compared, network.temp);
  const targets = noGrad(() => scope(() => softTargets(similar(slow, compared, network.temp), alpha)));
  enqueue(network, slow);
  const { imageToText, textToImage } = similarities;
  const loss = scale(add(distance(imageToText, targets.imageToText), distance(textToImage, targets.textToImage)), 0.5);
  return { loss, imageStates, features, slow, similarities, targets };
}

const imageFeature = (encoder: VisionTransformer, projection: nn.Linear, { image }: PretrainBatch) =>
  feature(projection, encoder.forward(image));

/** The text alone: its first token is [CLS]. */
const textFeature = (encoder: Bert, projection: nn.Linear, { ids, mask }: PretrainBatch) =>
  feature(projection, encoder.forward(ids, { mask, cross: null, crossMask: null, causal: false }));

/** The first token's state [B, L, C], projected to length 1: [B, embedding]. */
export const feature = (projection: nn.Linear, states: Tensor): Tensor =>
  l2Normalize(projection.forward(firstToken(states)));

/** States [B, L, C] of the first token, [B, C]. */
export const firstToken = (states: Tensor): Tensor => squeeze(slice(states, { dim: 1, start: 0, length: 1 }), 1);

function similar({ image, text }: Features, compared: Features, temperature: Tensor): Both {
  return {
    imageToText: div(matmul(image, compared.text), temperature),
    textToImage: div(matmul(text, compared.image), temperature),
  };
}

/** α softmax(s) + (1 - α) I, the true pairs on the first B columns. */
function softTargets({ imageToText, textToImage }: Both, alpha: number): Both {
  const [B, columns] = imageToText.shape;
  const { device } = imageToText;
  const eye = Float32Array.from({ length: B * B }, (_, i) => (i % (B + 1) === 0 ? 1 - alpha : 0));
  const pairs = pad(tensor(eye, { device, shape: [B, B] }), { dim: 1, after: columns - B });
  const target = (s: Tensor) => add(scale(softmax(s), alpha), pairs);
  return { imageToText: target(imageToText), textToImage: target(textToImage) };
}

/** The mean over rows of -Σ target · log softmax(similarity). */
const distance = (similarity: Tensor, target: Tensor): Tensor =>
  scale(mean(sum(mul(logSoftmax(similarity), target), { dim: 1 })), -1);

/** The features of the slow copies in place of the oldest of the queues. */
function enqueue(
  { image_queue, text_queue, queuePointer: position }: PretrainNetwork,
  { image, text }: Features,
): void {
  noGrad(() =>
    scope(() => {
      writeRows(image_queue, transpose(image), { dim: 1, position });
      writeRows(text_queue, transpose(text), { dim: 1, position });
    }),
  );
}
