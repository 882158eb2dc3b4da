import * as kernels from "../../kernels/top-k-routing/kernels.js";
import { defineOp } from "../dispatch/define-op.js";
import { float32, int, maybe } from "../dispatch/op-schema.js";
import { OptionError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { reshape } from "./reshape.js";
import { slice } from "./slice.js";

/** How `topKRouting` scores, chooses, weighs and drops. */
export interface RoutingOptions {
  /** Experts of a token. */
  topK: number;
  /**
   * softmax: over all experts, of which the largest weigh what they have. topKSoftmax: over those chosen. sigmoid: each expert
   * by itself. Default softmax.
   */
  score?: keyof typeof kernels.SCORES;
  /** Whether the weights of a token are divided by their sum, or by `epsilon` where that is larger. Default false. */
  normalize?: boolean;
  /** Default 1.1920929e-7. */
  epsilon?: number;
  /** Factor of the weights, after that. Default 1. */
  scale?: number;
  /** Whether counts, and the balance loss by them, see first choices only: DeepSpeed's. Default false. */
  countFirst?: boolean;
  /**
   * Gumbel(0,1) noise on the scores by which experts are chosen. gumbelAfterFirst: for all but the first choice. Weights and
   * losses see none. Default none.
   */
  noise?: keyof typeof kernels.NOISES;
  /**
   * Who comes first in the rows of an expert, and so is dropped last. token: by token, then by choice. choice: all first
   * choices, then all second ones. random: by a random number of each. Default token.
   */
  priority?: keyof typeof kernels.PRIORITIES;
  /** Rows that an expert keeps at most; null for all. Default null. */
  capacity?: number | null;
  /**
   * Experts form this many groups of equal size, in order, and are chosen from `topGroups` of them: those whose two largest
   * scores have the largest sum. Default 1.
   */
  groups?: number;
  /** Default 1. */
  topGroups?: number;
}

export const topKRoutingOp = defineOp({
  name: "topKRouting",
  inputs: {
    logits: float32("T", "E"),
    bias: maybe(float32("E")),
    noise: maybe(float32("T", "E")),
    used: maybe(int("T")),
  },

  forward({ logits, bias, noise, used }, options: RoutingOptions, { device, dims: { T, E }, run }) {
    const { topK: K, priority = "token", noise: kind = "none", capacity = null, groups = 1, topGroups = 1 } = options;
    checkRouting("topKRouting", E, options);
    checkNoise(options, noise);
    const choice = {
      score: kernels.SCORES[options.score ?? "softmax"],
      normalize: options.normalize ? 1 : 0,
      epsilon: options.epsilon ?? 2 ** -23,
      scale: options.scale ?? 1,
      countFirst: options.countFirst ? 1 : 0,
    };
    const drops = capacity !== null && capacity < T;
    const draws = (kind !== "none" && !noise) || (priority === "random" && drops && (kind !== "none" || !noise));
    const L = kernels.listPlaces(E, T * K).length;
    const sizes = { T, E, K, L, Z: E + 2, ...choice };
    const results = run(
      kernels.forward,
      { logits, bias, noise, used, weights: [T, K], lists: [L], sums: [E + 2] },
      {
        ...sizes,
        noiseKind: kernels.NOISES[kind],
        priority: kernels.PRIORITIES[priority],
        capacity: capacity ?? T,
        groups,
        topGroups,
        hasBias: bias ? 1 : 0,
        hasNoise: noise ? 1 : 0,
        hasUsed: used ? 1 : 0,
        sequence: draws ? device.random.next() : 0,
      },
    );
    const { weights, lists, sums } = results;
    return { y: [weights, lists, sums] as const, saves: { logits, lists, sums }, kept: sizes };
  },

  gradient({ logits, lists, sums }, [dweights, , dsums], { kept, run }) {
    const args = { logits, lists, sums, dweights, dsums, dlogits: logits.shape };
    const flags = { hasDweights: dweights ? 1 : 0, hasDsums: dsums ? 1 : 0 };
    return { logits: run(kernels.backward, args, { ...kept, ...flags }).dlogits };
  },
});

/** What `topKRouting` finds. */
export interface Routed {
  /** f32 [T, K]: the weight of each choice; 0 where it was dropped. */
  weights: Tensor;
  /**
   * i32 [2E + 1 + 3TK], what the grouped ops read, one list behind the other: offsets [E+1] of each expert's rows, counts [E]
   * of those that chose it, order [TK] (the choice of a row, -1 behind the last), position [TK] (the row of a choice, -1 where
   * it was dropped), experts [TK] (the expert of a choice). Choice t·K + k is the k-th of token t.
   */
  lists: Tensor;
  /** f32 [E + 2]: Σ p over the tokens for each expert, then the balance loss and the z-loss. */
  sums: Tensor;
}

/**
 * Chooses `topK` of E experts for each token and sorts the choices by expert, all on the device. logits f32 [T, E]; equal
 * scores go to the lowest expert; -∞ is an expert that gets nothing. A NaN or +∞ among logits, bias or noise, and a token whose
 * logits are all -∞, is a FaultError at the next await.
 *
 * `bias` [E] is added to the scores for the choice alone and never has a gradient: whoever balances by it sets it himself.
 * `noiseValues` [T, E] stand for the random numbers that would be drawn: Gumbel noise, or those of priority random. `used` i32 [T]
 * is 0 for tokens that choose nobody.
 *
 * Priority random is made for a capacity that few choices exceed by much: on webgpu each block of 256 tokens reads the choices of
 * all tokens some five times for every expert that drops any, so that its cost grows with the square of the tokens.
 *
 * The balance loss is E Σ_e (counts[e] / T) (sums[e] / T), the z-loss mean (log Σ exp logits)². Gradients go to the logits, from
 * weights and sums. Shazeer et al., arXiv 1701.06538; Fedus et al., arXiv 2101.03961; Zoph et al., arXiv 2202.08906 (z-loss);
 * DeepSeek-V3, arXiv 2412.19437 (sigmoid, bias, groups).
 */
export function topKRouting(
  logits: Tensor,
  options: RoutingOptions & { bias?: Tensor | null; noiseValues?: Tensor | null; used?: Tensor | null },
): Routed {
  const { bias = null, noiseValues = null, used = null, ...rest } = options;
  const [weights, lists, sums] = topKRoutingOp({ logits, bias, noise: noiseValues, used }, rest);
  return { weights, lists, sums };
}

/** Every kernel walks over a token's choices as often as it has some, and over its experts for each. */
const MOST_CHOICES = 16;
const MOST_EXPERTS = 512;

/** Throws OptionError for what E experts cannot be routed by. `op` is who asks. */
export function checkRouting(op: string, E: number, options: RoutingOptions): void {
  const { topK, epsilon = 1, capacity = null, groups = 1, topGroups = 1 } = options;
  const { score = "softmax", noise = "none", priority = "token" } = options;
  const fail = (text: string) => {
    throw new OptionError(`${op}: ${text}`);
  };
  const known = (option: string, codes: object, name: string) => {
    if (!Object.hasOwn(codes, name)) fail(`unknown ${option} "${name}". Known: ${Object.keys(codes).join(", ")}.`);
  };
  const whole = (n: number, least: number, most: number) => Number.isInteger(n) && n >= least && n <= most;
  known("score", kernels.SCORES, score);
  known("noise", kernels.NOISES, noise);
  known("priority", kernels.PRIORITIES, priority);
  if (!whole(E, 1, MOST_EXPERTS)) fail(`${E} experts; 1 to ${MOST_EXPERTS} can be routed to. Use fewer.`);
  if (!whole(topK, 1, Math.min(E, MOST_CHOICES)))
    fail(`topK ${topK} must be from 1 to the ${E} experts, and at most ${MOST_CHOICES}.`);
  if (!(Math.fround(epsilon) > 0)) fail(`epsilon ${epsilon} must be above 0, also as an f32.`);
  if (capacity !== null && !whole(capacity, 0, 2 ** 32 - 1))
    fail(`capacity ${capacity} must be a whole number of rows, or null.`);
  if (!whole(groups, 1, E) || E % groups !== 0) fail(`${E} experts do not form ${groups} groups of equal size.`);
  if (!whole(topGroups, 1, groups) || (topGroups * E) / groups < topK)
    fail(
      `topGroups ${topGroups} of ${groups} groups of ${E / groups} experts must hold the ${topK} that a token chooses.`,
    );
}

function checkNoise({ priority = "token", noise: kind = "none" }: RoutingOptions, noise: Tensor | null): void {
  if (noise && kind === "none" && priority !== "random")
    throw new OptionError('topKRouting: noiseValues are given, but neither noise nor priority "random" asks for any.');
  if (noise && kind !== "none" && priority === "random")
    throw new OptionError(
      'topKRouting: noiseValues stand for one kind of random numbers; noise and priority "random" are two. Leave one out.',
    );
}

const entry = ({ sums }: Routed, fromEnd: number): Tensor =>
  reshape(slice(sums, { dim: 0, start: sums.size - fromEnd, length: 1 }), []);

/** E Σ_e (counts[e] / T) (mean p of e): what keeps the experts' loads even, where it is added to the loss. A single value. */
export const balanceLoss = (routed: Routed): Tensor => entry(routed, 2);

/** Mean over the tokens of (log Σ exp logits)²: keeps logits small. A single value. */
export const zLoss = (routed: Routed): Tensor => entry(routed, 1);
