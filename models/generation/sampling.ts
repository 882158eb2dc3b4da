/** Choosing a token from its logits: pure functions of numbers. */
import { OptionError } from "../../engine/index.js";

/** How tokens are chosen. */
export interface SamplingOptions {
  /** Logits are divided by it; 0 takes the most likely token. Default 0. */
  readonly temperature?: number;
  /** Only that many of the most likely tokens; of equal ones those of lower id. Default: all. */
  readonly topK?: number;
  /** Of these the most likely ones until their probabilities sum to topP, one at least. Default 1: all. */
  readonly topP?: number;
}

/** Tokens to choose from: most likely first. */
export interface Candidates {
  /** Of the tokens. */
  readonly ids: ArrayLike<number>;
  /** Descending. */
  readonly logits: ArrayLike<number>;
}

/** Throws OptionError for what is out of range. */
export function checkSampling({ temperature = 0, topK, topP = 1 }: SamplingOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw new OptionError(
      `\`temperature\` is ${temperature}; a number of 0 or more is needed (0: the most likely token).`,
    );
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1))
    throw new OptionError(`\`topK\` is ${topK}; a whole number of 1 or more is needed. Leave it out for all tokens.`);
  if (!(topP > 0 && topP <= 1)) throw new OptionError(`\`topP\` is ${topP}; a number above 0 and at most 1 is needed.`);
}

/** The k largest logits (default all), descending; equal ones in the order of their ids. */
export function candidates(logits: ArrayLike<number>, k: number = logits.length): Candidates {
  const ids = Uint32Array.from({ length: logits.length }, (_, i) => i);
  ids.sort((a, b) => logits[b] - logits[a] || a - b);
  const kept = ids.subarray(0, k);
  return { ids: kept, logits: Float64Array.from(kept, (id) => logits[id]) };
}

/**
 * Probabilities of candidates: softmax of logits / temperature over them, then what topP leaves, scaled to sum to 1. Ends with
 * the last one that is left.
 */
export function probabilities({ logits }: Candidates, temperature: number, topP = 1): Float64Array {
  const largest = logits[0];
  const weights = Float64Array.from(logits as ArrayLike<number>, (v) => Math.exp((v - largest) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  let kept = 0;
  let sum = 0;
  while (kept < weights.length && (kept === 0 || sum < topP * total)) sum += weights[kept++];
  return weights.subarray(0, kept).map((w) => w / sum);
}

/** The id that `uniform` in [0, 1) falls on, where candidates share the interval out in their order. */
export function pick(from: Candidates, p: Float64Array, uniform: number): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    sum += p[i];
    if (uniform < sum) return from.ids[i];
  }
  // Rounding left a gap before 1.
  return from.ids[p.length - 1];
}
