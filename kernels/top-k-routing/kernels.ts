/** K of README.md's letters is here the number of experts that a token chooses. L and Z are the sizes of lists and sums. */
import { ceilDiv, optional, pass, read, rowGrain, update, write } from "../contract.js";
import { PRIORITIES } from "./codes.js";
import * as cuda from "./cuda.js";
import * as reference from "./reference.js";
import * as webgpu from "./webgpu.js";

export { NOISES, PRIORITIES, SCORES } from "./codes.js";
export { type ListPlaces, listPlaces } from "./lists.js";

const sizes = {
  T: "u32",
  E: "u32",
  K: "u32",
  /** listPlaces(E, T K).length */
  L: "u32",
  /** E + 2 */
  Z: "u32",
} as const;

const choice = {
  /** SCORES */
  score: "u32",
  /** 1: the weights of a token's kept choices are divided by max(their sum, epsilon). */
  normalize: "u32",
  epsilon: "f32",
  /** Factor of the weights, after that. */
  scale: "f32",
  /** 1: counts, and with them the balance loss, see first choices only. */
  countFirst: "u32",
} as const;

/** Tokens of a cell on the cpu: fixed, so that the order of sums and of choices is. */
const BLOCK = 64;
const blocks = (T: number) => ceilDiv(T, BLOCK);
const blockGrain = ({ E, K }: { E: number; K: number }) => rowGrain(BLOCK * (8 * E + K * E));

/**
 * Chooses K experts for each token and sorts the choices by expert: see lists.ts. Ties go to the lowest expert. A NaN or +∞ in logits,
 * bias or noise is a fault (2, its position) and counts as zero, here and in the gradient; a logit of -∞ is an expert that gets nothing,
 * and where all of a token's are, a fault (2, the first) and zeros as well.
 * sums = for each expert Σ_t p[t,e] (p as SCORES says, softmax over all experts for topKSoftmax, σ / Σ σ for sigmoid, softmax where all
 * σ underflow), then the balance loss
 * E Σ_e (counts[e]/T) (sums[e]/T), then the z-loss, mean_t (log Σ_e exp logit)².
 */
export const forward = pass({
  label: "top-k-routing/forward",
  buffers: {
    logits: read("T E", "f32"),
    /** Added to the scores (SCORES: logits, or σ(logit)) for the choice alone: DeepSeek-V3's correction. */
    bias: optional(read("E", "f32")),
    /** The noise itself, in place of the random stream's: Gumbel values where noiseKind is not none, else the uniforms of PRIORITIES.random. */
    noise: optional(read("T E", "f32")),
    /** 0: the token is not counted, and its choices are dropped. */
    used: optional(read("T", "i32")),
    /**
     * Present where noise is drawn: Gumbel values are -log(-log max(u, 2^-25)) with the uniform u of element t E + e, the uniforms of
     * PRIORITIES.random those of element (T + t) E + e.
     */
    random: optional(read("4", "u32")),
    /** p of the choice, normalised and scaled as `choice` says; 0 where it was dropped. */
    weights: write("T K", "f32"),
    lists: write("L", "i32"),
    sums: write("Z", "f32"),
    faults: update("4", "u32"),
  },
  params: {
    ...sizes,
    ...choice,
    /** NOISES */
    noiseKind: "u32",
    /** PRIORITIES */
    priority: "u32",
    /** Rows that an expert keeps at most. */
    capacity: "u32",
    /** Group-limited choice (DeepSeek-V3): the experts form `groups` groups in order, and only those of the `topGroups` groups whose two largest scores with bias, without noise, sum highest can be chosen (ties: the lowest group). 1, 1: all. */
    groups: "u32",
    topGroups: "u32",
    hasBias: "u32",
    hasNoise: "u32",
    hasUsed: "u32",
    sequence: "u32",
    faultLabel: "u32",
  },
  reference: reference.forward,
  cpu: {
    dtypes: ["f32"],
    scratchBytes: ({ T, E, K, priority }) => 4 * blocks(T) * (E + 1 + E * (priority === PRIORITIES.choice ? K : 1) + E),
    launches: [
      { symbol: "top_k_routing_forward_choose", cells: ({ T }) => blocks(T), grain: blockGrain },
      { symbol: "top_k_routing_forward_join", cells: () => 1 },
      {
        symbol: "top_k_routing_forward_draw",
        cells: ({ E, priority }) => (priority === PRIORITIES.random ? E : 0),
        grain: ({ T, K }) => rowGrain(T * K),
      },
      { symbol: "top_k_routing_forward_place", cells: ({ T }) => blocks(T), grain: ({ K }) => rowGrain(8 * BLOCK * K) },
    ],
  },
  webgpu: { dtypes: ["f32"], scratchBytes: webgpu.scratchBytes, launches: webgpu.forward },
  cuda: { dtypes: ["f32"], scratchBytes: cuda.scratchBytes, launches: cuda.forward },
});

/** dlogits from the gradients of weights and of sums, of which either may be absent: an entry of dsums for each of sums. */
export const backward = pass({
  label: "top-k-routing/backward",
  buffers: {
    logits: read("T E", "f32"),
    lists: read("L", "i32"),
    sums: read("Z", "f32"),
    dweights: optional(read("T K", "f32")),
    dsums: optional(read("Z", "f32")),
    dlogits: write("T E", "f32"),
  },
  params: { ...sizes, ...choice, hasDweights: "u32", hasDsums: "u32" },
  reference: reference.backward,
  cpu: {
    dtypes: ["f32"],
    launches: [
      { symbol: "top_k_routing_backward", cells: ({ T }) => T, grain: ({ E, K }) => rowGrain(8 * (E + K) + 32) },
    ],
  },
  webgpu: { dtypes: ["f32"], launches: webgpu.backward },
  cuda: { dtypes: ["f32"], launches: cuda.backward },
});
