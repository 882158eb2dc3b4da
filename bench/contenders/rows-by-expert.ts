import type { HostTensor } from "../task.js";

export interface RowsByExpert {
  /** Tokens of each expert. */
  readonly rows: readonly Int32Array[];
  /** Of the expert that has most. */
  readonly most: number;
  /** Tokens of the experts one after the other, each with `most`, what is missing filled with token 0. */
  readonly padded: Int32Array;
  /** Where the row of choice t K + k is, among `rows` one after the other and among `padded`. */
  readonly back: Int32Array;
  readonly paddedBack: Int32Array;
}

/** The K experts with the largest of `scores` [T, E], largest first, ties to the lower: [T, K]. */
export function largestExperts({ shape: [T, E], values }: HostTensor, K: number): HostTensor & { values: Int32Array } {
  const chosen = new Int32Array(T * K);
  for (let t = 0; t < T; t++) {
    const own = Float32Array.from(values.subarray(t * E, (t + 1) * E));
    for (let k = 0; k < K; k++) {
      let best = 0;
      for (let e = 1; e < E; e++) if (own[e] > own[best]) best = e;
      chosen[t * K + k] = best;
      own[best] = Number.NEGATIVE_INFINITY;
    }
  }
  return { shape: [T, K], values: chosen };
}

/** What each chosen expert counts, of the probabilities [T, E] of all: [T, K], a token's sum 1. */
export function weightsOf(
  { shape: [T, E], values }: HostTensor,
  { shape: [, K], values: chosen }: HostTensor,
): Float32Array {
  const weights = new Float32Array(T * K);
  for (let t = 0; t < T; t++) {
    let total = 0;
    for (let k = 0; k < K; k++) total += values[t * E + chosen[t * K + k]];
    for (let k = 0; k < K; k++) weights[t * K + k] = values[t * E + chosen[t * K + k]] / total;
  }
  return weights;
}

/**
 * Which rows go to which expert, for libraries where the host must say it: from `chosen` [T, K], the choice of each token.
 * An expert has `least` rows or more, of token 0, which nobody takes back: for graphs that multiply no empty matrix.
 */
export function rowsByExpert({ shape: [T, K], values }: HostTensor, E: number, least = 0): RowsByExpert {
  const rows = Array.from({ length: E }, () => [] as number[]);
  const at = new Int32Array(T * K);
  for (let i = 0; i < T * K; i++) at[i] = rows[values[i]].push(Math.floor(i / K)) - 1;
  for (const own of rows) while (own.length < least) own.push(0);
  const most = Math.max(...rows.map((own) => own.length));
  const first: number[] = [];
  for (let e = 0, sum = 0; e < E; sum += rows[e++].length) first.push(sum);
  const padded = new Int32Array(E * most);
  for (const [e, own] of rows.entries()) padded.set(own, e * most);
  return {
    rows: rows.map((own) => Int32Array.from(own)),
    most,
    padded,
    back: at.map((i, choice) => first[values[choice]] + i),
    paddedBack: at.map((i, choice) => values[choice] * most + i),
  };
}
