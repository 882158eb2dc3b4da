import { optim } from "../../../engine/index.js";
import type { PretrainNetwork } from "./network.js";

/** Share of themselves that the slow copies keep at each step, as published. */
export const MOMENTUM = 0.995;

/** The slow copies go a step towards the parameters that they follow: m = μ m + (1 - μ) p. */
export const follow = (network: PretrainNetwork, momentum: number = MOMENTUM): void =>
  optim.movingAverage(network.followers(), momentum);
