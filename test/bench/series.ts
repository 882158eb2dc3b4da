import type { Contender } from "../../bench/task.js";
import { HostRandom } from "../../engine/index.js";

/** What disturbs the pieces of a row; shares of its time. */
export interface Noise {
  /** Of one piece: standard deviation. */
  readonly spread: number;
  /** Of neighbours, 0 to 1: clocks that drift, other work that comes and goes. Default 0. */
  readonly correlation?: number;
  /** Of one piece in eight, up to three times as long: an interrupt, another process. Default none. */
  readonly spikes?: boolean;
  /** Of all pieces of a run: memory elsewhere, the clock elsewhere. Default 0. */
  readonly run?: number;
}

/** An endless series of one call's seconds about `median`, the same for the same seed. */
export function simulated(median: number, noise: Noise, seed: number): () => number {
  const { spread, correlation = 0, spikes = false, run = 0 } = noise;
  const random = new HostRandom(seed, 1);
  const centre = median * (1 + run * Math.max(-2, Math.min(2, random.normal())));
  let state = random.normal();
  return () => {
    state = correlation * state + Math.sqrt(1 - correlation ** 2) * random.normal();
    const spike = spikes && random.below(8) === 0 ? 1 + 2 * random.uniform() : 1;
    return Math.max(centre / 10, centre * (1 + spread * state)) * spike;
  };
}

export const take = (n: number, next: () => number): number[] => Array.from({ length: n }, next);

/** A contender whose pieces take what a series says, and no time. */
export const simulatedContender = (next: () => number): Contender => ({
  time: async (calls) => ({ seconds: calls * next(), cpuSeconds: null }),
  release() {},
});
