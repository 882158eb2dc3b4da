import { describe } from "vitest";
import * as routing from "../../kernels/top-k-routing/kernels.js";
import { listPlaces, NOISES, PRIORITIES, SCORES } from "../../kernels/top-k-routing/kernels.js";
import { ADAPTERS } from "../support/devices.js";
import { gpusTest } from "../support/gpus.js";
import { generator } from "../support/random.js";
import { checkPass } from "../support/run-pass.js";

interface Problem {
  readonly name: string;
  readonly T: number;
  readonly E: number;
  readonly K: number;
  readonly options?: Readonly<Record<string, number>>;
  readonly bias?: true;
  /** Given in place of the random stream's. */
  readonly noise?: "normal" | "uniform";
  readonly unused?: true;
  /** Of the logits: ties where few. */
  readonly values?: number;
}

const { softmax, topKSoftmax, sigmoid } = SCORES;
const { choice, random } = PRIORITIES;

const problems: readonly Problem[] = [
  { name: "one token, one expert", T: 1, E: 1, K: 1 },
  { name: "no tokens", T: 0, E: 4, K: 2 },
  { name: "softmax, top 2, several blocks", T: 150, E: 7, K: 2, options: { normalize: 1 } },
  { name: "ties go to the lowest expert", T: 70, E: 9, K: 4, values: 3 },
  { name: "all experts", T: 9, E: 5, K: 5, options: { score: topKSoftmax } },
  { name: "512 experts, top 16", T: 70, E: 512, K: 16, options: { score: topKSoftmax } },
  {
    name: "DeepSeek-V3: sigmoid, bias, groups, scaled",
    ...{ T: 40, E: 64, K: 6, bias: true },
    options: { score: sigmoid, normalize: 1, scale: 2.5, groups: 8, topGroups: 3 },
  },
  { name: "groups of one expert", T: 40, E: 8, K: 2, options: { groups: 8, topGroups: 3 } },
  { name: "capacity by token", T: 90, E: 4, K: 2, options: { capacity: 20, normalize: 1 } },
  {
    name: "DeepSpeed top 2: by choice, counting first ones, Gumbel drawn",
    ...{ T: 130, E: 4, K: 2 },
    options: { priority: choice, countFirst: 1, capacity: 30, normalize: 1, noiseKind: NOISES.gumbelAfterFirst },
  },
  {
    name: "by token, counting first ones, Gumbel given",
    ...{ T: 130, E: 4, K: 3, noise: "normal" },
    options: { countFirst: 1, noiseKind: NOISES.gumbelAfterFirst },
  },
  { name: "RSample", T: 80, E: 6, K: 1, options: { noiseKind: NOISES.gumbel, score: softmax } },
  { name: "random selection", T: 600, E: 3, K: 1, options: { priority: random, capacity: 100 } },
  {
    name: "random selection by given numbers with ties, two choices, tokens unused",
    ...{ T: 600, E: 4, K: 2, noise: "uniform", unused: true },
    options: { priority: random, capacity: 150, normalize: 1 },
  },
  { name: "random selection of none", T: 20, E: 2, K: 1, options: { priority: random, capacity: 0 } },
  { name: "tokens unused", T: 100, E: 5, K: 2, unused: true, options: { priority: choice, capacity: 30 } },
  { name: "blocks of 256 tokens", T: 9000, E: 4, K: 1, options: { capacity: 2300 } },
];

function inputs({ name, T, E, K, options, bias, noise, unused, values }: Problem) {
  const draw = generator(name);
  const fill = (length: number, each: () => number) => Float32Array.from({ length }, each);
  const params = {
    ...{ T, E, K, L: listPlaces(E, T * K).length, Z: E + 2, score: softmax, normalize: 0, epsilon: 1e-7, scale: 1 },
    ...{ countFirst: 0, noiseKind: 0, priority: 0, capacity: T * K, groups: 1, topGroups: 1, ...options },
    ...{ hasBias: bias ? 1 : 0, hasNoise: noise ? 1 : 0, hasUsed: unused ? 1 : 0, sequence: 5, faultLabel: 3 },
  };
  const arrays = {
    logits: fill(T * E, () => (values ? draw.integer(0, values) : draw.normal())),
    bias: bias ? fill(E, () => 0.3 * draw.normal()) : null,
    noise: noise ? fill(T * E, () => (noise === "normal" ? draw.normal() : draw.integer(0, 16) / 16)) : null,
    used: unused ? Int32Array.from({ length: T }, () => draw.integer(0, 2)) : null,
    random: Uint32Array.of(11, 22, 33, 0),
    weights: new Float32Array(T * K),
    lists: new Int32Array(params.L),
    sums: new Float32Array(E + 2),
    faults: new Uint32Array(4),
  };
  return { params, arrays, fill: (length: number) => fill(length, draw.normal) };
}

/** Sums of hundreds of f32 terms, against the largest of some hundred. */
const TOLERANCE = 2e-6;

describe.each([
  ["its own tiles", {}],
  ["the tiles of a GPU", ADAPTERS.hardware],
])("top-k-routing on GPUs with %s", (_, limits) => {
  for (const problem of problems) {
    gpusTest(
      `forward: ${problem.name}`,
      async (gpu) => {
        const { params, arrays } = inputs(problem);
        await checkPass(gpu, routing.forward, arrays, params, TOLERANCE);
      },
      limits,
    );
    if (problem.T > 0 && problem.T < 1000)
      for (const given of ["weights", "sums", "both"])
        gpusTest(
          `backward from ${given}: ${problem.name}`,
          async (gpu) => {
            const { params, arrays, fill } = inputs(problem);
            routing.forward.reference(arrays, params);
            const { T, E, K } = params;
            const dweights = given === "sums" ? null : fill(T * K);
            const dsums = given === "weights" ? null : fill(E + 2);
            const buffers = { ...arrays, dweights, dsums, dlogits: new Float32Array(T * E) };
            const flags = { hasDweights: dweights ? 1 : 0, hasDsums: dsums ? 1 : 0 };
            await checkPass(gpu, routing.backward, buffers, { ...params, ...flags }, TOLERANCE);
          },
          limits,
        );
  }

  gpusTest(
    "a logit that is no number is a fault, and counts as zero",
    async (gpu) => {
      const { params, arrays } = inputs({ name: "faults", T: 3, E: 4, K: 2 });
      arrays.logits[6] = Number.NaN;
      await checkPass(gpu, routing.forward, arrays, params, TOLERANCE);
      arrays.logits[6] = Number.POSITIVE_INFINITY;
      await checkPass(gpu, routing.forward, arrays, params, TOLERANCE);
    },
    limits,
  );

  for (const score of [softmax, topKSoftmax, sigmoid])
    gpusTest(
      `a token whose logits are all -∞ is a fault, and counts as zeros; score ${score}`,
      async (gpu) => {
        const { params, arrays, fill } = inputs({ name: "hidden", T: 3, E: 4, K: 2, options: { score } });
        arrays.logits.fill(Number.NEGATIVE_INFINITY, 4, 8);
        await checkPass(gpu, routing.forward, arrays, params, TOLERANCE);
        routing.forward.reference(arrays, params);
        const buffers = { ...arrays, dweights: fill(6), dsums: fill(6), dlogits: new Float32Array(12) };
        await checkPass(gpu, routing.backward, buffers, { ...params, hasDweights: 1, hasDsums: 1 }, TOLERANCE);
      },
      limits,
    );

  gpusTest(
    "a bias, noise and lots that are no numbers are faults, and count as zero",
    async (gpu) => {
      const biased = inputs({ name: "bias", T: 3, E: 4, K: 2, bias: true });
      (biased.arrays.bias as Float32Array)[2] = Number.NaN;
      await checkPass(gpu, routing.forward, biased.arrays, biased.params, TOLERANCE);
      const uses: readonly Problem["options"][] = [{ noiseKind: NOISES.gumbel }, { priority: random, capacity: 1 }];
      for (const options of uses) {
        const { arrays, params } = inputs({ name: "noise", T: 3, E: 4, K: 2, noise: "normal", options });
        (arrays.noise as Float32Array)[5] = Number.NaN;
        await checkPass(gpu, routing.forward, arrays, params, TOLERANCE);
      }
    },
    limits,
  );
});
