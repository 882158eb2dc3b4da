import { OptionError } from "../../engine/index.js";
import { JsonError, parseJson } from "../../engine/io/json.js";
import { didYouMean } from "../../engine/io/nearest.js";
import { ROUTINGS } from "../document.js";

/** How many rows each expert got somewhere, as a file says; only their proportions matter. */
export interface CountedRouting {
  /** Its name, for messages. */
  readonly file: string;
  /** By expert. */
  readonly counts: readonly number[];
}

/** How tokens are spread over experts. */
export type Routing = Exclude<(typeof ROUTINGS)[number], "file"> | CountedRouting;

export const routingName = (routing: Routing): (typeof ROUTINGS)[number] =>
  typeof routing === "string" ? routing : "file";

/** The names that are no file, by which `--routing` is read. */
export const NAMED_ROUTINGS: readonly Routing[] = ROUTINGS.filter((name) => name !== "file");

/** A routing by its name; null where the text must be a file. */
export const namedRouting = (text: string): Routing | null => NAMED_ROUTINGS.find((name) => name === text) ?? null;

/** What to say where a routing is neither a name nor a file that can be read. */
export const unknownRouting = (text: string, problem: string): OptionError =>
  new OptionError(
    `bench: --routing "${text}": ${problem}. ${didYouMean(text, NAMED_ROUTINGS as readonly string[])}` +
      `It takes ${NAMED_ROUTINGS.join(", ")}, or a JSON file of how many rows each expert gets: [120, 4, 0, 36].`,
  );

const MOST_EXPERTS = 65_536;

/** The counts of a JSON file: an array with a number for each expert. Throws OptionError for anything else. */
export function parseCounts(file: string, text: string): CountedRouting {
  const fail = (problem: string) => {
    throw new OptionError(
      `bench: ${file}: ${problem}. A routing is a JSON array of how many rows each expert gets: [120, 4, 0, 36].`,
    );
  };
  let counts: unknown;
  try {
    counts = parseJson(text, file);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    fail(`it is not JSON (line ${error.line}, column ${error.column}: ${error.what})`);
  }
  if (!Array.isArray(counts)) return fail("it holds no array");
  if (counts.length === 0 || counts.length > MOST_EXPERTS) fail(`it has ${counts.length} experts`);
  const bad = counts.findIndex((count) => typeof count !== "number" || !Number.isFinite(count) || count < 0);
  if (bad >= 0) fail(`element ${bad} is ${JSON.stringify(counts[bad])?.slice(0, 40)}, not a number from 0 on`);
  if (counts.every((count) => count === 0)) fail("all its experts get nothing");
  return { file, counts };
}

/**
 * The share of the tokens that each of E experts gets, k a token: they sum to k, and none is above 1. zipf: as near to 1 / rank
 * as that allows, the first expert first. one-hot: all tokens on the first k. Throws OptionError where counts are of another
 * number of experts, or give one more than every token.
 */
export function sharesOf(routing: Routing, E: number, k: number): number[] {
  if (routing === "one-hot") return Array.from({ length: E }, (_, e) => (e < k ? 1 : 0));
  if (routing === "balanced") return new Array<number>(E).fill(k / E);
  if (routing === "zipf")
    return capped(
      Array.from({ length: E }, (_, e) => 1 / (e + 1)),
      k,
    );
  const { file, counts } = routing;
  if (counts.length !== E)
    throw new OptionError(`bench: ${file} counts rows of ${counts.length} experts, not of ${E}.`);
  const largest = Math.max(...counts);
  // A sum of numbers that are finite may be none.
  const relative = counts.map((count) => count / largest);
  const total = relative.reduce((a, b) => a + b, 0);
  const shares = relative.map((count) => (count / total) * k);
  const most = shares.findIndex((share) => share > 1 + 1e-9);
  if (most >= 0)
    throw new OptionError(
      `bench: ${file} gives expert ${most} ${((100 * shares[most]) / k).toPrecision(3)} % of the rows. A token has ${k} ` +
        `different experts, so that none gets more than ${(100 / k).toPrecision(3)} %.`,
    );
  return shares.map((share) => Math.min(1, share));
}

/** The weights times a factor, none above 1, so that they sum to k. */
function capped(weights: readonly number[], k: number): number[] {
  const shares = new Array<number>(weights.length).fill(0);
  let open = weights.map((_, e) => e);
  for (let left = k; open.length > 0; ) {
    const total = open.reduce((sum, e) => sum + weights[e], 0);
    const full = open.filter((e) => (weights[e] / total) * left >= 1);
    for (const e of full.length > 0 ? full : open) shares[e] = full.length > 0 ? 1 : (weights[e] / total) * left;
    if (full.length === 0) break;
    left -= full.length;
    open = open.filter((e) => shares[e] === 0);
  }
  return shares;
}

/** Experts that T tokens can reach at most. */
export const reached = (shares: readonly number[], T: number, k: number): number =>
  Math.min(T * k, shares.filter((share) => share > 0).length);

/** The fraction of the golden ratio: its multiples fill [0, 1) evenly at any number of them. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * k different experts for each of T tokens, [T, k], so that expert e has its share of the tokens, to within a few: the shares lie
 * end to end, and a token takes those under k pins, one apart, that start where the golden ratio says.
 */
export function chosenExperts(shares: readonly number[], T: number, k: number): Int32Array {
  const chosen = new Int32Array(T * k);
  const last = shares.findLastIndex((share) => share > 0);
  for (let t = 0; t < T; t++) {
    const first = ((t + 0.5) * GOLDEN) % 1;
    let e = 0;
    let end = shares[0];
    for (let pin = 0; pin < k; pin++) {
      while (e < last && end <= first + pin) end += shares[++e];
      chosen[t * k + pin] = e;
    }
  }
  return chosen;
}

/** Beyond every other score: an expert that all tokens have, or none. */
const FAR = 50;
const ROUNDS = 60;

/**
 * A router's bias [E] by which its k best experts have their shares of tokens like those of `logits` [S, E]. It is found by
 * steps towards them, ever smaller, as mixtures are balanced in training; S tokens say no more than S tokens can.
 */
export function biasOf(logits: Float32Array, shares: readonly number[], k: number): Float32Array {
  const E = shares.length;
  const S = logits.length / E;
  const bias = Float32Array.from(shares, (share) => (share >= 1 ? FAR : share === 0 ? -FAR : 0));
  const fixed = Uint8Array.from(bias, (b) => (b === 0 ? 0 : 1));
  if (fixed.every((is) => is === 1)) return bias.map((b) => Math.max(0, b));
  for (let round = 0; round < ROUNDS; round++) {
    const counts = countsOf(logits, bias, k);
    const step = 0.5 / (1 + round / 8);
    for (let e = 0; e < E; e++) if (!fixed[e]) bias[e] += step * (odds(shares[e] * S, S) - odds(counts[e], S));
  }
  return bias;
}

/** How many tokens have each expert among the k whose logits and bias are largest. */
function countsOf(logits: Float32Array, bias: Float32Array, k: number): Float64Array {
  const E = bias.length;
  const counts = new Float64Array(E);
  // The largest first; what is not among them is seen by the last alone.
  const scores = new Float64Array(k);
  const experts = new Int32Array(k);
  for (let at = 0; at < logits.length; at += E) {
    scores.fill(Number.NEGATIVE_INFINITY);
    for (let e = 0; e < E; e++) {
      const score = logits[at + e] + bias[e];
      let place = k - 1;
      if (score <= scores[place]) continue;
      for (; place > 0 && score > scores[place - 1]; place--) {
        scores[place] = scores[place - 1];
        experts[place] = experts[place - 1];
      }
      scores[place] = score;
      experts[place] = e;
    }
    for (const e of experts) counts[e]++;
  }
  return counts;
}

/** Of n among S tokens, as a logarithm; half a token keeps it finite. */
const odds = (n: number, S: number) => Math.log((n + 0.5) / (S - n + 0.5));
