/** How fast which parameters learn. */
import { optim, type Tensor } from "../../../engine/index.js";
import type { TuningConfig } from "./run-config.js";

/** The part of the largest rate at each of `steps`: up in a line, down in half a wave. */
export function scheduleOf({ warmupRatio }: TuningConfig, steps: number): optim.Schedule {
  const warmup = Math.ceil(warmupRatio * steps);
  const decay = optim.cosine(1, Math.max(1, steps - warmup));
  return warmup > 0 ? optim.linearWarmup(warmup, decay) : decay;
}

/** Matrices decay, biases and norms do not; the projector may have a rate of its own. */
export function groupsOf(
  trained: readonly (readonly [string, Tensor])[],
  { lr, projectorLr, weightDecay }: TuningConfig,
) {
  const isProjector = ([name]: readonly [string, Tensor]) => name.startsWith("mm_projector.");
  const isMatrix = ([name, p]: readonly [string, Tensor]) => p.rank > 1 && !/\.(up|down)?[bB]ias$/.test(name);
  const part = (name: string, rate: number, projector: boolean) => {
    const own = trained.filter((entry) => isProjector(entry) === projector);
    return [
      { name, lr: rate, weightDecay, parameters: own.filter(isMatrix) },
      { name: `${name}-undecayed`, lr: rate, weightDecay: 0, parameters: own.filter((entry) => !isMatrix(entry)) },
    ];
  };
  return [...part("model", lr, false), ...part("projector", projectorLr ?? lr, true)];
}
