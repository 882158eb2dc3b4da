import { add, type Tensor } from "../../../engine/index.js";
import type { PretrainBatch } from "./batch.js";
import { captioning } from "./captioning.js";
import { type ContrastSettings, contrast } from "./contrast.js";
import { hardNegatives, matching } from "./matching.js";
import type { PretrainNetwork } from "./network.js";

/** Losses of a step; `loss` is the sum of the others. */
export interface PretrainLosses {
  readonly loss: Tensor;
  readonly contrast: Tensor;
  readonly matching: Tensor;
  readonly captioning: Tensor;
}

/**
 * The three objectives of a batch with equal weights, in the published order. Moves the slow copies and fills the queues
 * from `network.queuePointer` on; it is the caller's to advance it.
 */
export function pretrainLosses(
  network: PretrainNetwork,
  batch: PretrainBatch,
  settings: ContrastSettings,
): PretrainLosses {
  const compared = contrast(network, batch, settings);
  const matched = matching(network, batch, compared.imageStates, hardNegatives(compared.similarities));
  const written = captioning(network, batch, compared.imageStates);
  return {
    loss: sumOfLosses(compared.loss, matched.loss, written),
    contrast: compared.loss,
    matching: matched.loss,
    captioning: written,
  };
}

/** The objectives weigh alike. */
export const sumOfLosses = (contrast: Tensor, matching: Tensor, captioning: Tensor): Tensor =>
  add(add(contrast, matching), captioning);
