/** The golden batch of a model, and its loss. */
import { type Device, scope } from "../../../engine/index.js";
import type { Comparison } from "../../golden/comparison.js";
import type { MedMoeNetwork } from "../network/network.js";
import type { Sample } from "../network/splice.js";
import type { GoldenFile } from "./golden.js";
import type { Manifest } from "./manifest.js";

/** What a scenario computes with. */
export interface ModelRun {
  readonly network: MedMoeNetwork;
  readonly golden: GoldenFile;
  readonly manifest: Manifest;
  readonly topK: 1 | 2;
  readonly c: Comparison;
}

export const deviceOf = ({ lm_head }: MedMoeNetwork): Device => lm_head.weight.device;

/** Weight of the load-balancing losses. */
export const auxLoss = ({ manifest, topK }: ModelRun): number => manifest.aux_coef[`top${topK}`];

/** Rows of the golden batch without their padding. */
export function samplesOf(golden: GoldenFile): Sample[] {
  const [ids, mask, labels] = ["input_ids", "attention_mask", "labels"].map((name) => golden.get(name));
  const [B, L] = ids.shape;
  return Array.from({ length: B }, (_, b) => {
    const kept = Array.from({ length: L }, (_, i) => b * L + i).filter((at) => mask.values[at] !== 0);
    return { ids: kept.map((at) => ids.values[at]), labels: kept.map((at) => labels.values[at]) };
  });
}

/** The loss; its gradients are left in the parameters. */
export async function lossOf(run: ModelRun): Promise<number> {
  const { network, golden } = run;
  using loss = scope(() => {
    const pixels = golden.tensor(deviceOf(network), "pixel_values");
    const { loss } = network.loss(samplesOf(golden), pixels, { auxLoss: auxLoss(run) });
    loss.backward();
    return loss;
  });
  return loss.item();
}
