/** One product over the rows of experts, alone and with adapters. */
import type { OpCase } from "../case-table.js";
import { ALL_FLOATS } from "../contract.js";
import { allOn, inTurn, listsOf, offsetsOf, type Sample, scattered } from "../top-k-routing/sample.js";
import { stack } from "./stack.js";

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

export const products: OpCase[] = [
  product("no token: gradients of zeros", inTurn(3, 0, 1), { N: 5, K: 7, bias: true }),
  product("no inner dimension: the bias", inTurn(3, 4, 2), { N: 5, K: 0, bias: true }),
  product("no column", inTurn(3, 4, 2), { N: 0, K: 7 }),
  product("one expert, one token", inTurn(1, 1, 1), { N: 33, K: 40, bias: true }, { dtypes: ALL_FLOATS }),
  product("one token of eight experts: the others are empty", inTurn(8, 1, 2), { N: 20, K: 24 }),
  product("one expert: a product like any", inTurn(1, 37, 1), { N: 66, K: 65 }),
  product("all tokens on the last expert", allOn(4, 5, 61, 1), { N: 35, K: 48, bias: true }, { dtypes: ALL_FLOATS }),
  product("all tokens on the first expert, gathered twice", allOn(0, 5, 40, 2), { N: 24, K: 33 }),
  product("every expert of a token", inTurn(4, 13, 4), { N: 30, K: 21 }),
  product("tails everywhere", scattered(5, 47, 2), { N: 67, K: 65, bias: true }, { dtypes: ALL_FLOATS }),
  product(
    "dropped choices",
    { ...scattered(4, 31, 2), dropped: (i) => i % 3 === 0 || i < 2 },
    { N: 18, K: 20, bias: true },
  ),
  product("everything dropped", { ...inTurn(4, 9, 2), dropped: () => true }, { N: 18, K: 20, bias: true }),
  product(
    "weights [E, K, N]",
    scattered(4, 29, 2),
    { N: 50, K: 37, bias: true, transposed: false },
    { dtypes: ALL_FLOATS },
  ),
  product("rows in groups already", scattered(6, 23, 2), { N: 40, K: 44, rows: "grouped" }, { dtypes: ALL_FLOATS }),
  product("offsets alone", scattered(6, 23, 2), { N: 9, K: 130, bias: true, rows: "offsets alone" }),
  product("offsets alone, weights [E, K, N]", scattered(6, 50, 1), {
    N: 35,
    K: 19,
    transposed: false,
    rows: "offsets alone",
  }),
  product("512 experts, 16 of a token, most empty", scattered(512, 9, 16), { N: 12, K: 10 }),
  product("512 experts, all of them busy", inTurn(512, 64, 16), { N: 8, K: 9, bias: true }),
  product("inner dimension over a block", scattered(3, 40, 2), { N: 70, K: 700 }, { dtypes: ALL_FLOATS }),
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

export const adapters: OpCase[] = [
  adapted("no token: gradients of zeros", inTurn(3, 0, 1), 5, 7, 2),
  adapted("one expert, one token", inTurn(1, 1, 1), 9, 7, 1, { dtypes: ALL_FLOATS }),
  adapted("tails everywhere", scattered(5, 47, 2), 67, 65, 3, { dtypes: ALL_FLOATS }),
  adapted("experts without tokens", allOn(1, 4, 33, 1), 20, 24, 8),
  adapted("dropped choices", { ...scattered(4, 31, 2), dropped: (i) => i % 3 === 0 }, 18, 20, 4),
  adapted("rank over a strip", scattered(4, 70, 2), 40, 48, 36, { dtypes: ALL_FLOATS }),
];
