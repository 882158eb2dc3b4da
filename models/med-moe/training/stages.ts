import type { Tensor } from "../../../engine/index.js";
import { isExpert, isRouter, storedParts } from "../folder/names.js";
import type { MedMoeNetwork } from "../network/network.js";

/** In order. align: the projector. instruct: language model and projector. router: nothing but a router. moe: MLPs and projector. */
export const medMoeStages = ["align", "instruct", "router", "moe"] as const;
/** One of them. */
export type MedMoeStage = (typeof medMoeStages)[number];

/**
 * Asks for gradients of exactly what a stage trains, as the published code does it, and freezes the rest.
 *
 * MoE tuning finds parameters by parts of their published names (`moe.trainModules`): the MLPs of all layers, dense ones, experts
 * and meta experts; the projector comes with them; routers stay as they are. `paper` follows the paper's wording instead: only
 * experts and meta experts. The vision tower never trains; the router of stage `router` is a model of its own.
 */
export function selectTrainable(network: MedMoeNetwork, stage: MedMoeStage, { paper = false } = {}): void {
  for (const [path, p] of network.namedParameters()) p.requiresGrad = trains(network, path, p, stage, paper);
}

function trains(network: MedMoeNetwork, path: string, p: Tensor, stage: MedMoeStage, paper: boolean): boolean {
  if (path.startsWith("image_tower.") || stage === "router") return false;
  if (path.startsWith("mm_projector.")) return !(stage === "moe" && paper);
  if (stage !== "moe") return stage === "instruct";
  if (isRouter(path)) return false;
  // What weighs a residual mixture is made after the choice by names, so that none is needed.
  if (paper || path.includes(".mlp.coefficient.")) return isExpert(path);
  const { family, moe } = network.config;
  const [{ name }] = storedParts(path, p.shape, family);
  return (moe?.trainModules ?? []).some((part) => name.includes(part));
}
