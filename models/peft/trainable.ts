import type { nn } from "../../engine/index.js";

/** Values in the parameters of a model. */
export interface ParameterCounts {
  /** In those that a step changes. */
  readonly trainable: number;
  /** In all, adapters included. */
  readonly total: number;
}

/** Parameters that a step changes, and all of them. Tied tensors count once. */
export function countParameters(root: nn.Module): ParameterCounts {
  let trainable = 0;
  let total = 0;
  for (const p of root.parameters()) {
    total += p.size;
    if (p.requiresGrad) trainable += p.size;
  }
  return { trainable, total };
}

/** What a step changes, by its path: adapters, and modules that are trained in full. */
export const trainedParameters = (root: nn.Module) => [...root.namedParameters()].filter(([, p]) => p.requiresGrad);

/** 100 · trainable / total, as PEFT and MILE's tables have it. */
export const trainablePercent = ({ trainable, total }: ParameterCounts): number => (100 * trainable) / total;
