import type { CaseSets, CaseTable, InputSpec, OpCase } from "../case-table.js";
import { shapeOf, sizeOf } from "../cost.js";
import { MIXTURES, type Scoring } from "../published-shapes.js";
import { listPlaces } from "./lists.js";

const CHOOSES = "only chooses: steps have no derivative";

const make = (
  name: string,
  logits: InputSpec,
  options: Readonly<Record<string, unknown>>,
  inputs: Readonly<Record<string, InputSpec>> = {},
  extra: Partial<OpCase> = {},
): OpCase => ({
  name,
  inputs: { logits, ...inputs },
  options,
  noGradient: { bias: CHOOSES, noise: CHOOSES },
  ...extra,
});

const given = (T: number, E: number, f: (i: number) => number): InputSpec => ({
  shape: [T, E],
  values: Array.from({ length: T * E }, (_, i) => Math.fround(f(i))),
});
/** Numbers in [0, 1) without order, none twice. */
const lots = (T: number, E: number): InputSpec => given(T, E, (i) => ((i * 7919 + 13) % (T * E)) / (T * E));
const gumbel = (T: number, E: number): InputSpec =>
  given(T, E, (i) => -Math.log(-Math.log((((i * 7919 + 13) % (T * E)) + 0.5) / (T * E))));
const unused = (T: number): InputSpec => ({
  shape: [T],
  dtype: "i32",
  values: Array.from({ length: T }, (_, t) => (t % 3 === 1 ? 0 : 1)),
});
const ties = { notDerivative: { logits: "ties: a central difference sees the other expert, too" } };
const near = { notDerivative: { logits: "of so many tokens, some are within a difference of a tie" } };

/** How published routers score, choose and weigh; all but topK of the options. */
export const scorings: Readonly<Record<Scoring, Readonly<Record<string, unknown>>>> = {
  normalized: { normalize: true },
  raw: {},
  chosen: { score: "topKSoftmax" },
  medmoe: { countFirst: true },
  deepspeed: { normalize: true, countFirst: true, priority: "choice" },
  deepseek: { score: "sigmoid", normalize: true, epsilon: 1e-20, scale: 2.5, groups: 8, topGroups: 4 },
};
const deepSeek = { ...scorings.deepseek, topK: 8 };

const cases: OpCase[] = [
  make("no token", [0, 4], { topK: 2 }),
  make("one token, one expert", [1, 1], { topK: 1 }),
  make("one expert, many tokens", [37, 1], { topK: 1, normalize: true }),
  make("one token of four experts", [1, 4], { topK: 2, normalize: true }),
  make("every expert of a token", [19, 5], { topK: 5, normalize: true }),
  make("every expert, softmax over those chosen", [19, 5], { topK: 5, score: "topKSoftmax" }),
  make("Med-MoE: the best of four, raw probability", [65, 4], { topK: 1, countFirst: true }),
  make("raw weights of two", [65, 6], { topK: 2 }),
  make("weights normalised and scaled", [65, 6], { topK: 3, normalize: true, scale: 2.5 }),
  make("Mixtral: softmax over those chosen", [65, 8], { topK: 2, score: "topKSoftmax" }),
  make("sigmoid, raw", [33, 7], { topK: 2, score: "sigmoid" }),
  make("sigmoid, normalised", [33, 7], { topK: 3, score: "sigmoid", normalize: true, epsilon: 1e-20 }),
  make(
    "equal scores: the lowest experts, in order",
    given(24, 9, (i) => (i * 5) % 3),
    { topK: 4, normalize: true },
    {},
    ties,
  ),
  make(
    "all scores equal",
    given(9, 40, () => 0.25),
    { topK: 3, score: "topKSoftmax" },
    {},
    ties,
  ),
  make(
    "zeros of both signs are equal",
    given(5, 8, (i) => (i % 2 ? 0 : -0)),
    { topK: 2 },
    {},
    ties,
  ),
  make(
    "all tokens on one expert",
    given(41, 4, (i) => (i % 4 === 2 ? 3 : Math.sin(i))),
    { topK: 1 },
  ),
  make("saturated softmax", { shape: [30, 5], scale: 60 }, { topK: 2, normalize: true }),
  make(
    "weights below epsilon",
    given(6, 4, (i) => (i % 4 === 0 ? 0 : -90 - (i % 7))),
    { topK: 2, normalize: true, capacity: 0 },
  ),
  make(
    "hidden experts: logits of -∞",
    given(13, 6, (i) => (i % 3 === 0 ? Number.NEGATIVE_INFINITY : Math.sin(3 * i))),
    { topK: 3, normalize: true },
  ),
  make(
    "more choices than experts that are not hidden",
    given(7, 5, (i) => (i % 5 > 1 ? Number.NEGATIVE_INFINITY : Math.sin(3 * i))),
    { topK: 4, normalize: true },
  ),
  make(
    "only hidden experts are chosen, as the first group has no other",
    given(6, 8, (i) => (i % 8 > 1 && i % 2 ? Math.sin(i) : Number.NEGATIVE_INFINITY)),
    { topK: 2, groups: 4, score: "topKSoftmax" },
  ),
  make(
    "sigmoids that underflow",
    given(10, 5, (i) => (Math.floor(i / 5) % 2 ? -1000 : -200) - (i % 5) / 2),
    { topK: 2, score: "sigmoid" },
  ),
  make("a bias that only chooses", [40, 8], { topK: 2, normalize: true }, { bias: [8] }),
  make("sigmoid with a bias", [40, 8], { topK: 2, score: "sigmoid" }, { bias: { shape: [8], scale: 0.3 } }),
  make(
    "groups: two of four, a bias",
    [50, 16],
    { ...deepSeek, topK: 4, groups: 4, topGroups: 2 },
    {
      bias: { shape: [16], scale: 0.3 },
    },
  ),
  make("groups of one expert", [20, 6], { topK: 2, groups: 6, topGroups: 3 }),
  make("groups of which all are open", [20, 6], { topK: 3, groups: 2, topGroups: 2, score: "topKSoftmax" }),
  make(
    "Gumbel noise given, after the first choice",
    [40, 5],
    { topK: 2, normalize: true, noise: "gumbelAfterFirst" },
    {
      noise: gumbel(40, 5),
    },
  ),
  make("Gumbel noise given, for every choice", [40, 5], { topK: 2, noise: "gumbel" }, { noise: gumbel(40, 5) }),
  make("Gumbel noise drawn, after the first choice", [130, 6], {
    topK: 2,
    normalize: true,
    countFirst: true,
    priority: "choice",
    noise: "gumbelAfterFirst",
  }),
  make("Gumbel noise drawn, for every choice", [67, 3], { topK: 1, noise: "gumbel" }),
  make("capacity: first come, first kept", [50, 4], { topK: 2, normalize: true, capacity: 11 }),
  make("capacity: first choices before second ones", [50, 4], {
    topK: 2,
    normalize: true,
    capacity: 17,
    priority: "choice",
    countFirst: true,
  }),
  make("capacity: three ranks of choices", [50, 6], { topK: 3, capacity: 20, priority: "choice" }),
  make(
    "capacity: by given lots, weights of those kept normalised",
    [50, 4],
    { topK: 2, normalize: true, capacity: 9, priority: "random" },
    {
      noise: lots(50, 4),
    },
  ),
  make("capacity: random token selection, drawn", [300, 4], { topK: 1, capacity: 40, priority: "random" }),
  make("capacity: Gumbel noise and random token selection, drawn", [100, 4], {
    topK: 1,
    capacity: 13,
    noise: "gumbel",
    priority: "random",
  }),
  make(
    "capacity: equal lots, the lower token stays",
    [30, 3],
    { topK: 1, capacity: 4, priority: "random" },
    { noise: given(30, 3, () => 0.5) },
  ),
  make("capacity that nobody reaches", [20, 4], { topK: 2, capacity: 20 }),
  make("capacity of nothing: everything is dropped", [20, 4], { topK: 2, capacity: 0, score: "topKSoftmax" }),
  make("capacity of one", [20, 4], { topK: 2, capacity: 1, normalize: true }),
  make("tokens that choose nobody", [31, 4], { topK: 2, normalize: true }, { used: unused(31) }),
  make(
    "tokens that choose nobody, capacity",
    [31, 4],
    { topK: 1, capacity: 5, countFirst: true },
    { used: unused(31) },
  ),
  make("512 experts, 16 of a token", [33, 512], { topK: 16, normalize: true }),
  make("512 experts, 16 of a token, softmax over those chosen", [65, 512], {
    topK: 16,
    score: "topKSoftmax",
    capacity: 3,
  }),
  make("tokens over several cells and a tail", [1029, 7], { topK: 2, normalize: true, capacity: 250 }),
  make("DeepSeek-V3: 8 of 256 in 4 of 8 groups", [200, 256], deepSeek, { bias: { shape: [256], scale: 0.1 } }),
  make("Med-MoE, 4,096 tokens", [4096, 4], { ...scorings.medmoe, topK: 1 }, {}, { bench: true, ...near }),
  make("DeepSpeed top-2, 4,096 tokens", [4096, 4], { ...scorings.deepspeed, topK: 2 }, {}, { bench: true, ...near }),
  make("OLMoE, 4,096 tokens", [4096, 64], { ...scorings.raw, topK: 8 }, {}, { bench: true }),
  make("Qwen3, 4,096 tokens", [4096, 128], { ...scorings.normalized, topK: 8 }, {}, { bench: true }),
];

export const table: CaseTable = {
  op: "topKRouting",
  tolerance: { f32: 4e-6, bf16: 4e-6, f16: 4e-6 },
  reason:
    "always f32; lists are exact, weights and gradients a softmax over at most 512 and a quotient of it, sums f32 over at most " +
    "4,096 tokens in blocks, relative to the largest",
  cases,
  // Of each score, as softmax: 5 forward, 4 backward; a sigmoid: exponential, sum, quotient, and y (1 - y) dy.
  cost: ({ inputs: { logits, bias, noise, used }, options }, pass) => {
    const { topK, score = "softmax" } = options as { topK: number; score?: string };
    const [T, E] = shapeOf(logits);
    const scores = T * (score === "topKSoftmax" ? topK : E);
    const lists = 4 * listPlaces(E, T * topK).length;
    const weights = 4 * T * topK;
    const others = [bias, noise, used].reduce((sum, spec) => sum + 4 * sizeOf(spec), 0);
    return pass === "forward"
      ? { flops: (score === "sigmoid" ? 3 : 5) * scores, bytes: 4 * T * E + others + weights + lists }
      : { flops: (score === "sigmoid" ? 3 : 4) * scores, bytes: 2 * 4 * T * E + weights + lists };
  },
};

/** A router by its sizes; one with a correction of its choice (DeepSeek-V3's) has that as a bias. */
export const routingCase = (name: string, [T, E, K]: readonly [number, number, number], scoring: Scoring): OpCase =>
  make(
    name,
    [T, E],
    { ...scorings[scoring], topK: K },
    scoring === "deepseek" ? { bias: { shape: [E], scale: 0.1 } } : {},
  );

/** The routers of published mixtures; the size is the number of tokens. */
export const sets: CaseSets = Object.fromEntries(
  Object.entries(MIXTURES).map(([name, mixtures]) => [
    name,
    (tokens?: number) =>
      mixtures.map(({ T, E, k, scoring, routed = E }) =>
        routingCase(`${name}: ${k} of ${routed} experts`, [tokens ?? T, routed, k], scoring),
      ),
  ]),
);
