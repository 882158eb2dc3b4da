import type { PretrainConfig } from "./run-config.js";

/** Where a step is: its epoch and its place in it, both from 0. */
export interface Place {
  readonly epoch: number;
  readonly index: number;
}

type Rate = Pick<PretrainConfig, "lr" | "minLr" | "lrDecay" | "warmupSteps" | "warmupLr">;

/** max(minLr, lr · decay^epoch); in the first epoch min(lr, a line from warmupLr that reaches lr after warmupSteps). */
export function rateAt({ lr, minLr, lrDecay, warmupSteps, warmupLr }: Rate, { epoch, index }: Place): number {
  const rate = Math.max(minLr, lr * lrDecay ** epoch);
  if (epoch > 0 || warmupSteps === 0) return rate;
  return Math.min(lr, warmupLr + ((lr - warmupLr) * index) / warmupSteps);
}

/** α rises from 0 to its value over two epochs of `perEpoch` steps. */
export const alphaAt = (alpha: number, { epoch, index }: Place, perEpoch: number): number =>
  alpha * Math.min(1, (epoch * perEpoch + index) / (2 * perEpoch));
