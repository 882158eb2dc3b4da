import type { MixtureOfExpertsOptions } from "./mixture-of-experts.js";

/** What the published layers leave open. */
export interface MoeSizes {
  /** Size of a token. */
  width: number;
  /** Hidden size of an expert. */
  hidden: number;
  /** How many experts there are. */
  experts: number;
}

/** Sizes, and what else a published layer leaves open, to the options of a mixture. */
export type MoePreset<Extra = object> = (sizes: MoeSizes & Extra) => MixtureOfExpertsOptions;

/** What Med-MoE leaves open besides its sizes. */
export interface MedMoeChoice {
  /** Experts of a token besides the meta expert. Default 1. */
  topK?: 1 | 2;
}

/** Arguments of DeepSpeed's MoE layer. */
export interface DeepSpeedOptions {
  /** Capacity factor in training. */
  factor: number;
  /** In evaluation. */
  evalFactor: number;
  /** Least capacity. */
  minimum: number;
  /** Whether anything is dropped. */
  drop: boolean;
}

/** DeepSpeed 0.9.5's top-1 gate: raw probability; with a capacity it drops by random token selection. */
const deepSpeedTop1: MoePreset<Partial<DeepSpeedOptions>> = ({
  factor = 1,
  evalFactor = 1,
  minimum = 4,
  drop = true,
  ...sizes
}) => ({
  activation: "gelu",
  bias: true,
  ...sizes,
  topK: 1,
  router: { countFirst: true, ...(drop && { priority: "random" as const }) },
  capacity: drop ? { factor, evalFactor, minimum } : null,
});

/** Its top-2 gate: Gumbel noise on the second choice, also in evaluation; weights of those kept add up to 1; it always drops. */
const deepSpeedTop2: MoePreset<Partial<Omit<DeepSpeedOptions, "drop">>> = ({
  factor = 1,
  evalFactor = 1,
  minimum = 4,
  ...sizes
}) => ({
  activation: "gelu",
  bias: true,
  ...sizes,
  topK: 2,
  router: { countFirst: true, normalize: true, noise: "gumbelAfterFirst", priority: "choice" },
  capacity: { factor, evalFactor, minimum },
});

/**
 * Options of `MixtureOfExperts` by the names of published layers, of the sizes given; what differs in a model of yours is
 * overwritten: `{ ...nn.moePresets.mixtral(sizes), topK: 1 }`.
 */
export const moePresets = {
  /**
   * Med-MoE (arXiv 2404.10237): a router with a bias. topK 1: the raw probability of the best expert. topK 2: DeepSpeed's choice
   * and weights. Nothing is dropped, whatever the number of experts. The meta expert is `shared`: give it yours.
   */
  medMoe: (({ topK = 1, ...sizes }) => {
    const { router, ...rest } = topK === 1 ? deepSpeedTop1({ ...sizes, drop: false }) : deepSpeedTop2(sizes);
    return { ...rest, activation: "swiglu", bias: false, router: { ...router, bias: true }, capacity: null };
  }) as MoePreset<MedMoeChoice>,
  deepSpeedTop1,
  deepSpeedTop2,
  /** Mixtral 8x7B, 8x22B (arXiv 2401.04088): softmax over the two chosen. */
  mixtral: ((sizes) => ({
    activation: "swiglu",
    ...sizes,
    topK: 2,
    router: { score: "topKSoftmax" },
  })) as MoePreset,
  /** OLMoE-1B-7B (arXiv 2409.02060): 8 of 64, raw probabilities. */
  olmoe: ((sizes) => ({ activation: "swiglu", ...sizes, topK: 8 })) as MoePreset,
  /** Qwen3-30B-A3B, 235B-A22B (arXiv 2505.09388): 8 of 128, normalised. */
  qwen3Moe: ((sizes) => ({ activation: "swiglu", ...sizes, topK: 8, router: { normalize: true } })) as MoePreset,
  /**
   * DeepSeek-V3 (arXiv 2412.19437): 8 of 256 in 4 of 8 groups by sigmoid and a correction (see `balance`), normalised, times
   * 2.5. Its shared expert is `shared`: give it yours.
   */
  deepSeekV3: ((sizes) => ({
    activation: "swiglu",
    ...sizes,
    topK: 8,
    router: {
      score: "sigmoid",
      normalize: true,
      epsilon: 1e-20,
      scale: 2.5,
      groups: 8,
      topGroups: 4,
      correction: true,
    },
  })) as MoePreset,
};
