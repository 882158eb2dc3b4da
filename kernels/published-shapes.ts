/** The layers of published models, each with a version of the same proportions for a laptop: what case tables make their sets of. */

/** A mixture-of-experts layer, from router to sum. */
export interface MixtureLayer {
  /** Tokens. */
  readonly T: number;
  /** Width of the model. */
  readonly d: number;
  /** Width inside an expert. */
  readonly n: number;
  /** Experts. */
  readonly E: number;
  /** Experts of a token. */
  readonly k: number;
  /** swiglu: gate and up, 3 d n weights an expert. geluTanh: up alone, 2 d n. */
  readonly activation: "swiglu" | "geluTanh";
  /** Whether the experts' products have biases. */
  readonly bias: boolean;
  /** Whether one more expert is there that every token goes through, with weight 1. */
  readonly meta: boolean;
}

/** How a router scores and weighs, by the name that scorings of top-k-routing/cases.ts have. */
export type Scoring = "normalized" | "raw" | "chosen" | "medmoe" | "deepspeed" | "deepseek";

/** Heads of its attention; queries share key/value heads where these are fewer. */
export interface Heads {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headWidth: number;
}

/** A published mixture, at the number of tokens that it is timed with where nobody says another. */
export interface PublishedMixture extends MixtureLayer {
  readonly scoring: Scoring;
  /** Experts that the router chooses from, where a layer holds a slice of them. Default E. */
  readonly routed?: number;
  /** Absent where its attention is of a kind that the engine has not, or not published. */
  readonly attention?: Heads;
  /** Keys in the cache while decoding. */
  readonly context: number;
}

const plain = { activation: "swiglu", bias: false, meta: false, T: 4096, context: 4096 } as const;
const gelu = { ...plain, activation: "geluTanh", bias: true } as const;
const heads = (count: number, keyValueHeads: number, headWidth: number): Heads => ({
  heads: count,
  keyValueHeads,
  headWidth,
});

// Bellagente et al., arXiv 2402.17834 (stablelm-2-1_6b: hidden_size 2048, intermediate_size 5632, 32 heads); Jiang et al.:
// Med-MoE, arXiv 2404.10237, whose scripts train four experts, top_k_experts 1, and the meta expert; the paper tells of two.
const stablelm = { ...plain, d: 2048, n: 5632, E: 4, attention: heads(32, 32, 64) };
// microsoft/phi-2: hidden_size 2560, intermediate_size 10240, gelu_new, 32 heads.
const phi2 = { ...gelu, d: 2560, n: 10240, E: 4, attention: heads(32, 32, 80) };

/** By what its name's `-mini` divides d, n, T, the head width and the context; experts and k stay. */
type Divisor = 8 | 16;

// Guo et al.: SonicMoE, arXiv 2512.14080, the table of throughput: T, d, n, E, k; its 7B and larger are there fine and coarse.
const sonic = (T: number, d: number, n: number, E: number, k: number): PublishedMixture => ({
  ...{ ...plain, T, d, n, E, k },
  scoring: "chosen",
});

const published: Readonly<Record<string, readonly [Divisor, ...PublishedMixture[]]>> = {
  "med-moe-stablelm": [8, { ...stablelm, k: 1, meta: true, scoring: "medmoe" }],
  "med-moe-stablelm-k2": [8, { ...stablelm, k: 2, scoring: "deepspeed" }],
  "med-moe-phi2": [8, { ...phi2, k: 1, meta: true, scoring: "medmoe" }],
  "med-moe-phi2-k2": [8, { ...phi2, k: 2, scoring: "deepspeed" }],
  // Jiang et al., arXiv 2401.04088, table 1.
  "mixtral-8x7b": [16, { ...plain, d: 4096, n: 14336, E: 8, k: 2, scoring: "chosen", attention: heads(32, 8, 128) }],
  // Muennighoff et al., arXiv 2409.02060: OLMoE-1B-7B; its weights are raw probabilities.
  olmoe: [8, { ...plain, d: 2048, n: 1024, E: 64, k: 8, scoring: "raw", attention: heads(16, 16, 128) }],
  // Yang et al., arXiv 2505.09388; Qwen/Qwen3-30B-A3B: moe_intermediate_size 768, norm_topk_prob.
  "qwen3-30b-a3b": [
    8,
    { ...plain, d: 2048, n: 768, E: 128, k: 8, scoring: "normalized", attention: heads(32, 4, 128) },
  ],
  // DeepSeek-AI, arXiv 2412.19437: 256 experts, of which a device holds 32 here, each token with 8 of them. Its latent
  // attention is none of ours; its shared expert is left out.
  "deepseek-v3": [16, { ...plain, d: 7168, n: 2048, E: 32, k: 8, scoring: "deepseek", routed: 256 }],
  // openai/gpt-oss-20b: hidden_size and intermediate_size 2880, 32 experts, 4 of a token, 64 heads of 64, 8 for keys and
  // values. It clamps its SwiGLU (swiglu_limit 7) and adds 1 to the linear half; ours is the plain one.
  "gpt-oss-20b": [
    8,
    { ...plain, bias: true, d: 2880, n: 2880, E: 32, k: 4, scoring: "chosen", attention: heads(64, 8, 64) },
  ],
  "sonic-1.4b": [8, sonic(40960, 768, 256, 128, 8)],
  "sonic-7b": [8, sonic(24576, 1536, 256, 128, 8), sonic(24576, 1536, 1024, 32, 2)],
  "sonic-30b": [16, sonic(32768, 4096, 256, 256, 16), sonic(32768, 4096, 1024, 64, 4)],
  "sonic-120b": [16, sonic(32768, 4096, 512, 256, 16), sonic(32768, 4096, 2048, 64, 4)],
};

function mini(by: Divisor, { T, d, n, context, attention, ...rest }: PublishedMixture): PublishedMixture {
  return {
    ...rest,
    ...{ T: T / by, d: d / by, n: n / by, context: context / by },
    ...(attention && { attention: { ...attention, headWidth: attention.headWidth / by } }),
  };
}

/** By name; a name ending in `-mini` is for a laptop. */
export const MIXTURES: Readonly<Record<string, readonly PublishedMixture[]>> = Object.fromEntries(
  Object.entries(published).flatMap(([name, [by, ...mixtures]]) => [
    [name, mixtures],
    [`${name}-mini`, mixtures.map((mixture) => mini(by, mixture))],
  ]),
);
