import { optim } from "../../engine/index.js";
import type { RunConfig } from "./run-config.js";

/** The learning rate by step: a cosine over steps, or over epochs of `perEpoch` steps, after a warm-up. */
export function scheduleOf(config: RunConfig, perEpoch: number): optim.Schedule {
  const { epochs, schedule, lr, minLr, warmupSteps } = config;
  const total = schedule === "epoch" ? epochs : Math.max(1, epochs * perEpoch - warmupSteps);
  const cosine = optim.cosine(lr, total, minLr);
  // The rate changes at the borders of epochs, also where the first ones warm up.
  const byEpoch: optim.Schedule = (s) => cosine(Math.floor((s + warmupSteps) / perEpoch));
  const decay = schedule === "epoch" ? byEpoch : cosine;
  return warmupSteps > 0 ? optim.linearWarmup(warmupSteps, decay) : decay;
}
