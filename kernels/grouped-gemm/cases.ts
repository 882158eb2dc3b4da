// One product, and experts of two: long because the second are made of the first, with the same samples, costs and sizes.
import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { BYTES, bytesOf, shapeOf, sizeOf } from "../cost.js";
import type { MixtureLayer } from "../published-shapes.js";
import { listPlaces } from "../top-k-routing/lists.js";
import { allOn, inTurn, listsOf, offsetsOf, type Sample, scattered, weightsOf } from "../top-k-routing/sample.js";
import { EXPERT_ACTIVATIONS, type ExpertActivation } from "./activation.js";

const ALL: readonly FloatDType[] = ["f32", "bf16", "f16"];

/** A stack of matrices, scaled so that a product of normal numbers is near 1. */
const stack = (E: number, N: number, K: number, transposed = true): InputSpec => ({
  shape: transposed ? [E, N, K] : [E, K, N],
  scale: 1 / Math.sqrt(Math.max(1, K)),
});

// ---------------------------------------------------------------------------------------------------------------------
// One product

interface Product {
  /** Columns. */
  readonly N: number;
  /** Summed over. */
  readonly K: number;
  readonly bias?: boolean;
  readonly transposed?: boolean;
  /** Default "gather". */
  readonly rows?: "gather" | "grouped" | "offsets alone";
}

const product = (name: string, sample: Sample, p: Product, extra: Partial<OpCase> = {}): OpCase => {
  const { N, K, bias = false, transposed = true, rows = "gather" } = p;
  const { E, T } = sample;
  const gathers = rows === "gather";
  return {
    name,
    inputs: {
      x: [gathers ? T : T * sample.K, K],
      weight: stack(E, N, K, transposed),
      ...(bias && { bias: [E, N] }),
      lists: rows === "offsets alone" ? offsetsOf(sample) : listsOf(sample),
    },
    options: { ...(gathers && { gather: sample.K }), transposed },
    ...extra,
  };
};

const products: OpCase[] = [
  product("no token: gradients of zeros", inTurn(3, 0, 1), { N: 5, K: 7, bias: true }),
  product("no inner dimension: the bias", inTurn(3, 4, 2), { N: 5, K: 0, bias: true }),
  product("no column", inTurn(3, 4, 2), { N: 0, K: 7 }),
  product("one expert, one token", inTurn(1, 1, 1), { N: 33, K: 40, bias: true }, { dtypes: ALL }),
  product("one token of eight experts: the others are empty", inTurn(8, 1, 2), { N: 20, K: 24 }),
  product("one expert: a product like any", inTurn(1, 37, 1), { N: 66, K: 65 }),
  product("all tokens on the last expert", allOn(4, 5, 61, 1), { N: 35, K: 48, bias: true }, { dtypes: ALL }),
  product("all tokens on the first expert, gathered twice", allOn(0, 5, 40, 2), { N: 24, K: 33 }),
  product("every expert of a token", inTurn(4, 13, 4), { N: 30, K: 21 }),
  product("tails everywhere", scattered(5, 47, 2), { N: 67, K: 65, bias: true }, { dtypes: ALL }),
  product(
    "dropped choices",
    { ...scattered(4, 31, 2), dropped: (i) => i % 3 === 0 || i < 2 },
    { N: 18, K: 20, bias: true },
  ),
  product("everything dropped", { ...inTurn(4, 9, 2), dropped: () => true }, { N: 18, K: 20, bias: true }),
  product("weights [E, K, N]", scattered(4, 29, 2), { N: 50, K: 37, bias: true, transposed: false }, { dtypes: ALL }),
  product("rows in groups already", scattered(6, 23, 2), { N: 40, K: 44, rows: "grouped" }, { dtypes: ALL }),
  product("offsets alone", scattered(6, 23, 2), { N: 9, K: 130, bias: true, rows: "offsets alone" }),
  product("offsets alone, weights [E, K, N]", scattered(6, 50, 1), {
    N: 35,
    K: 19,
    transposed: false,
    rows: "offsets alone",
  }),
  product("512 experts, 16 of a token, most empty", scattered(512, 9, 16), { N: 12, K: 10 }),
  product("512 experts, all of them busy", inTurn(512, 64, 16), { N: 8, K: 9, bias: true }),
  product("inner dimension over a block", scattered(3, 40, 2), { N: 70, K: 700 }, { dtypes: ALL }),
  product("rows over several tiles of an expert", allOn(1, 3, 500, 1), { N: 40, K: 48 }),
  product("adapters: rank 8 for each expert", scattered(4, 70, 2), { N: 8, K: 96 }),
  product("adapters: back from rank 8", scattered(4, 70, 2), { N: 96, K: 8, rows: "grouped" }),
  product("Med-MoE's experts, an eighth as wide: up", scattered(4, 512, 2), { N: 1408, K: 256 }, { bench: true }),
  product(
    "Med-MoE's experts, an eighth as wide: down",
    scattered(4, 512, 2),
    { N: 256, K: 704, rows: "grouped" },
    {
      bench: true,
    },
  ),
  product("Med-MoE on Phi-2, an eighth as wide: fc1", scattered(4, 256, 1), { N: 1280, K: 320, bias: true }),
  product("OLMoE, an eighth as wide: up", scattered(64, 256, 8), { N: 256, K: 256 }, { bench: true }),
  product("Qwen3-30B-A3B, an eighth as wide: up", scattered(128, 128, 8), { N: 192, K: 256 }, { bench: true }),
];

// ---------------------------------------------------------------------------------------------------------------------
// Experts

interface Mlp {
  readonly C: number;
  readonly hidden: number;
  readonly activation: ExpertActivation;
  readonly bias?: boolean;
  readonly transposed?: boolean;
}

const mlp = (name: string, sample: Sample, m: Mlp, extra: Partial<OpCase> = {}): OpCase => {
  const { C, hidden, activation, bias = false, transposed = true } = m;
  const N = EXPERT_ACTIVATIONS[activation].gated ? 2 * hidden : hidden;
  const { E, T } = sample;
  return {
    name,
    inputs: {
      x: [T, C],
      weights: weightsOf(sample),
      lists: listsOf(sample),
      up: stack(E, N, C, transposed),
      ...(bias && { upBias: [E, N] }),
      down: stack(E, C, hidden, transposed),
      ...(bias && { downBias: [E, C] }),
    },
    options: { activation, transposed },
    ...extra,
  };
};

const swiglu = { activation: "swiglu" } as const;
const mlps: OpCase[] = [
  mlp("no token: gradients of zeros", inTurn(3, 0, 2), { C: 8, hidden: 6, bias: true, ...swiglu }),
  mlp("one token, one expert", inTurn(1, 1, 1), { C: 8, hidden: 6, bias: true, ...swiglu }, { dtypes: ALL }),
  mlp("one token of eight experts", inTurn(8, 1, 2), { C: 12, hidden: 10, ...swiglu }),
  mlp("all tokens on one expert", allOn(1, 4, 37, 1), { C: 20, hidden: 24, ...swiglu }, { dtypes: ALL }),
  mlp("every expert of a token", inTurn(3, 11, 3), { C: 9, hidden: 14, bias: true, activation: "geluTanh" }),
  mlp("tails everywhere, swiglu", scattered(5, 43, 2), { C: 65, hidden: 35, ...swiglu }, { dtypes: ALL }),
  mlp(
    "tails everywhere, gelu with biases",
    scattered(5, 43, 2),
    { C: 33, hidden: 67, bias: true, activation: "gelu" },
    { dtypes: ALL },
  ),
  mlp("swiglu with biases", scattered(4, 19, 2), { C: 17, hidden: 21, bias: true, ...swiglu }),
  mlp("geglu", scattered(4, 19, 2), { C: 16, hidden: 12, activation: "geglu" }),
  mlp("gegluTanh", scattered(4, 19, 2), { C: 16, hidden: 12, activation: "gegluTanh" }),
  mlp("reglu", scattered(4, 19, 2), { C: 16, hidden: 12, activation: "reglu" }),
  mlp("relu with biases", scattered(4, 19, 1), { C: 16, hidden: 12, bias: true, activation: "relu" }),
  mlp("silu", scattered(4, 19, 1), { C: 16, hidden: 12, activation: "silu" }),
  mlp("tanh", scattered(4, 19, 1), { C: 16, hidden: 12, activation: "tanh" }),
  mlp("quickGelu", scattered(4, 19, 1), { C: 16, hidden: 12, activation: "quickGelu" }),
  mlp("no activation", scattered(4, 19, 2), { C: 16, hidden: 12, bias: true, activation: "none" }),
  mlp(
    "dropped choices, of one token both",
    { ...scattered(4, 31, 2), dropped: (i) => i % 3 === 0 || i < 2 },
    { C: 18, hidden: 20, bias: true, ...swiglu },
  ),
  mlp("everything dropped", { ...inTurn(4, 9, 2), dropped: () => true }, { C: 8, hidden: 10, bias: true, ...swiglu }),
  mlp(
    "weights [E, in, out]",
    scattered(4, 29, 2),
    { C: 24, hidden: 37, bias: true, transposed: false, ...swiglu },
    {
      dtypes: ALL,
    },
  ),
  mlp("512 experts, 16 of a token", scattered(512, 12, 16), { C: 6, hidden: 4, ...swiglu }),
  mlp("Med-MoE on StableLM, a sixteenth as wide", scattered(4, 200, 1), { C: 128, hidden: 352, ...swiglu }),
  mlp(
    "Med-MoE on StableLM, an eighth as wide, two experts",
    scattered(4, 512, 2),
    { C: 256, hidden: 704, ...swiglu },
    {
      bench: true,
    },
  ),
  mlp(
    "all tokens on one expert, an eighth as wide",
    allOn(2, 4, 1024, 1),
    { C: 256, hidden: 704, ...swiglu },
    {
      bench: true,
    },
  ),
  mlp(
    "Med-MoE on Phi-2, an eighth as wide",
    scattered(4, 256, 1),
    { C: 320, hidden: 1280, bias: true, activation: "geluTanh" },
    { bench: true },
  ),
  mlp("OLMoE, an eighth as wide", scattered(64, 256, 8), { C: 256, hidden: 128, ...swiglu }, { bench: true }),
  mlp("Qwen3-30B-A3B, an eighth as wide", scattered(128, 128, 8), { C: 256, hidden: 96, ...swiglu }, { bench: true }),
];

// ---------------------------------------------------------------------------------------------------------------------
// Adapters

const adapted = (
  name: string,
  sample: Sample,
  N: number,
  K: number,
  rank: number,
  extra: Partial<OpCase> = {},
): OpCase => {
  const { inputs, options } = product(name, sample, { N, K, bias: true });
  const adapter = { a: stack(sample.E, rank, K), b: stack(sample.E, N, rank) };
  return { name, inputs: { ...inputs, ...adapter }, options: { gather: options?.gather, scale: 0.5 }, ...extra };
};

const adapters: OpCase[] = [
  adapted("no token: gradients of zeros", inTurn(3, 0, 1), 5, 7, 2),
  adapted("one expert, one token", inTurn(1, 1, 1), 9, 7, 1, { dtypes: ALL }),
  adapted("tails everywhere", scattered(5, 47, 2), 67, 65, 3, { dtypes: ALL }),
  adapted("experts without tokens", allOn(1, 4, 33, 1), 20, 24, 8),
  adapted("dropped choices", { ...scattered(4, 31, 2), dropped: (i) => i % 3 === 0 }, 18, 20, 4),
  adapted("rank over a strip", scattered(4, 70, 2), 40, 48, 36, { dtypes: ALL }),
];

/** Rows that the experts are given, and how many experts have one: the weights of the others are not read. */
function loadOf(lists: InputSpec, E: number, R: number): { rows: number; busy: number } {
  if (!("shape" in lists && "values" in lists)) return { rows: R, busy: E };
  const { values } = lists;
  let busy = 0;
  for (let e = 0; e < E; e++) if (values[e + 1] > values[e]) busy++;
  return { rows: values[E], busy };
}

export const tables: CaseTable[] = [
  {
    op: "groupedGemm",
    tolerance: { f32: 5e-6, bf16: 1.6e-2, f16: 2e-3 },
    reason:
      "f32 sums of at most 704 terms of size 1/√K; half types round each result once, a token's gradient once for each row " +
      "(2^-9, 2^-12)",
    cases: products,
    cost: (c, pass, dtype = "f32") => {
      const { x, weight, bias, lists } = c.inputs;
      const { gather = 1, transposed } = c.options as { gather?: number; transposed: boolean };
      const [T, K] = shapeOf(x);
      const shape = shapeOf(weight);
      const [E, N] = [shape[0], shape[transposed ? 1 : 2]];
      const { rows, busy } = loadOf(lists, E, T * gather);
      const weights = bytesOf(weight, dtype);
      const biases = bytesOf(bias, dtype);
      const read = bytesOf(x, dtype) + (busy / E) * weights + bytesOf(lists, dtype);
      const y = T * gather * N * BYTES[dtype];
      return pass === "forward"
        ? { flops: 2 * rows * N * K, bytes: read + (busy / E) * biases + y }
        : { flops: 4 * rows * N * K, bytes: read + y + bytesOf(x, dtype) + weights + biases };
    },
  },
  {
    op: "loraGroupedGemm",
    tolerance: { f32: 5e-6, bf16: 3e-2, f16: 4e-3 },
    reason: "as groupedGemm; half types round h, the branch and the sum, and each row of a gradient twice",
    cases: adapters,
  },
  {
    op: "expertMlp",
    tolerance: { f32: 1e-5, bf16: 4e-2, f16: 5e-3 },
    reason:
      "two f32 products in a row of at most 1,280 terms of size 1/√K, activations of at most 2 ulp between them; half types round " +
      "the hidden values, their gradients and each row before rows are added (2^-9, 2^-12)",
    cases: mlps,
    cost: ({ inputs: { x, weights, lists, up, upBias, down, downBias } }, pass, dtype = "f32") => {
      const E = shapeOf(up)[0];
      const { rows, busy } = loadOf(lists, E, sizeOf(weights));
      const flops = 2 * rows * ((sizeOf(up) + sizeOf(down)) / E);
      const matrices = bytesOf(up, dtype) + bytesOf(down, dtype);
      const biases = bytesOf(upBias, dtype) + bytesOf(downBias, dtype);
      const tokens = bytesOf(x, dtype) + bytesOf(weights, dtype);
      const read = tokens + (busy / E) * matrices + bytesOf(lists, dtype);
      const y = bytesOf(x, dtype);
      return pass === "forward"
        ? { flops, bytes: read + (busy / E) * biases + y }
        : { flops: 2 * flops, bytes: read + y + tokens + matrices + biases };
    },
  },
];

// ---------------------------------------------------------------------------------------------------------------------
// Cases by their sizes alone, for benchmarks: who routes fills in the lists

/** Lists of a length; where it says how many experts are busy, with their offsets, by which cost() counts. */
function listsFor(T: number, E: number, k: number, busy?: number): InputSpec {
  const R = T * k;
  const shape = [listPlaces(E, R).length];
  if (busy === undefined) return { shape, dtype: "i32", low: 0, high: 1 };
  return { shape, dtype: "i32", values: Array.from({ length: E + 1 }, (_, e) => (e < busy ? e : R)) };
}

/** A product over the rows of E experts, k a token: gathered from T tokens, or in groups already. */
export interface GroupedProduct {
  readonly T: number;
  /** Summed over. */
  readonly K: number;
  /** Columns. */
  readonly N: number;
  readonly E: number;
  readonly k: number;
  readonly grouped: boolean;
}

export const productCase = (name: string, { T, K, N, E, k, grouped }: GroupedProduct, busy?: number): OpCase => ({
  name,
  inputs: { x: [grouped ? T * k : T, K], weight: stack(E, N, K), lists: listsFor(T, E, k, busy) },
  options: { ...(!grouped && { gather: k }), transposed: true },
});

/** The experts of a mixture, without its router and the expert that is always on. */
export const expertsCase = (name: string, layer: MixtureLayer, busy?: number): OpCase => {
  const { T, d, n, E, k, activation, bias } = layer;
  const N = EXPERT_ACTIVATIONS[activation].gated ? 2 * n : n;
  const biases = bias && { upBias: [E, N], downBias: [E, d] };
  return {
    name,
    inputs: {
      ...{ x: [T, d], weights: { shape: [T, k], fill: "positive" }, lists: listsFor(T, E, k, busy) },
      ...{ up: stack(E, N, d), down: stack(E, d, n), ...biases },
    },
    options: { activation, transposed: true },
  };
};
