/** A sweep over learning rates: Smith, arXiv 1506.01186, section 3.3, with rates that grow by a factor as in fastai. */
import { OptionError } from "../../engine/index.js";

/** Which rates are tried. */
export interface SweepOptions {
  /** Default 1e-7. */
  readonly from?: number;
  /** Default 1. */
  readonly to?: number;
  /** Default 100. */
  readonly steps?: number;
}

/** What a sweep found. */
export interface LrSweep {
  /** The rate of each step, each a factor above the one before. */
  readonly lr: readonly number[];
  /** The loss of each step, before it. */
  readonly loss: readonly number[];
  /** The same, smoothed: what the suggestion is read from. */
  readonly smoothed: readonly number[];
  /** Where the loss falls fastest by the logarithm of the rate; null where it does not fall. */
  readonly suggestion: number | null;
}

/** Weight of what was before in the smoothed loss. */
const BEFORE = 0.9;
/** Times the lowest loss at which it is over: the rate is too large. */
const OVER = 4;

/** The rates of a sweep. */
export function sweptRates({ from = 1e-7, to = 1, steps = 100 }: SweepOptions = {}): number[] {
  if (!(from > 0 && to > from)) throw new OptionError(`findLr: from ${from} to ${to} is no rising range above 0.`);
  if (!(Number.isInteger(steps) && steps >= 10)) throw new OptionError(`findLr: ${steps} steps are fewer than 10.`);
  return Array.from({ length: steps }, (_, i) => from * (to / from) ** (i / (steps - 1)));
}

/** Steps with growing rates until the loss explodes; `step` gives that of one, before it changes the weights. */
export async function sweep(
  rates: readonly number[],
  step: (lr: number) => Promise<number>,
  signal?: AbortSignal,
): Promise<LrSweep> {
  const [lr, loss, smoothed]: number[][] = [[], [], []];
  let mean = 0;
  for (const rate of rates) {
    signal?.throwIfAborted();
    const value = await step(rate);
    if (!Number.isFinite(value)) break;
    mean = BEFORE * mean + (1 - BEFORE) * value;
    lr.push(rate);
    loss.push(value);
    // The mean began at 0.
    smoothed.push(mean / (1 - BEFORE ** loss.length));
    if ((smoothed.at(-1) as number) > OVER * Math.min(...smoothed)) break;
  }
  return { lr, loss, smoothed, suggestion: steepest(lr, smoothed) };
}

/** Of equal factors between the rates the slope is the difference; over several steps, which noise moves less. */
const SPAN = 5;

function steepest(lr: readonly number[], smoothed: readonly number[]): number | null {
  // What falls by less is noise.
  let [found, slope]: [number | null, number] = [null, -1e-3 * Math.abs(smoothed[0])];
  for (let i = SPAN; i < smoothed.length; i++) {
    const fall = smoothed[i] - smoothed[i - SPAN];
    if (fall < slope) [found, slope] = [lr[i - Math.floor(SPAN / 2)], fall];
  }
  return found;
}
