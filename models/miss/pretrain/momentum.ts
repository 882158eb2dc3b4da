import { add, noGrad, scale, scope } from "../../../engine/index.js";
import type { PretrainNetwork } from "./network.js";
import { overwrite } from "./overwrite.js";

/** Share of themselves that the slow copies keep at each step, as published. */
export const MOMENTUM = 0.995;

/** The slow copies go a step towards the parameters that they follow: m = μ m + (1 - μ) p. */
export function follow(network: PretrainNetwork, momentum: number = MOMENTUM): void {
  noGrad(() => {
    for (const [slow, fast] of network.followers())
      scope(() => overwrite(slow, add(scale(slow, momentum), scale(fast, 1 - momentum))));
  });
}
