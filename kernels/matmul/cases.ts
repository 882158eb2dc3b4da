import type { CaseSets, CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { BYTES, bytesOf, shapeOf } from "../cost.js";

const ALL: readonly FloatDType[] = ["f32", "bf16", "f16"];

/** Operands of a product [M,K] [K,N]; the right one is scaled so that results stay near 1. */
const operands = (M: number, K: number, N: number): Record<string, InputSpec> => ({
  a: [M, K],
  b: { shape: [K, N], scale: 1 / Math.sqrt(K) },
});
/** Operands of a linear layer: x [T,K], weight [N,K] as PyTorch keeps it, bias [N]. */
const linear = (T: number, K: number, N: number): Record<string, InputSpec> => ({
  a: [T, K],
  b: { shape: [N, K], scale: 1 / Math.sqrt(K) },
  bias: [N],
});
const layer = { transposeB: true };

const empty: OpCase[] = [
  { name: "no rows", inputs: operands(0, 5, 40) },
  { name: "no columns", inputs: operands(9, 5, 0) },
  { name: "no columns, no more rows than are packed", inputs: operands(3, 5, 0) },
  { name: "no inner dimension: zeros", inputs: { a: [9, 0], b: [0, 4] } },
  { name: "no inner dimension: the bias", inputs: { a: [3, 0], b: [4, 0], bias: [4] }, options: layer },
  { name: "no batch row", inputs: { a: [0, 9, 5], b: [0, 5, 4] } },
];

const edges: OpCase[] = [
  { name: "one element", inputs: operands(1, 1, 1), dtypes: ALL },
  { name: "one row: a vector times a matrix", inputs: operands(1, 257, 100), dtypes: ALL },
  { name: "one row by rows of the weight (decode)", inputs: linear(1, 257, 100), options: layer, dtypes: ALL },
  { name: "one column", inputs: operands(65, 33, 1) },
  { name: "few columns (a router's logits)", inputs: linear(37, 136, 4), options: layer, dtypes: ALL },
  {
    name: "few columns, an activation, no whole vector",
    inputs: linear(19, 45, 7),
    options: { ...layer, activation: "gelu" },
    dtypes: ALL,
  },
  { name: "sixteen columns", inputs: linear(18, 264, 16), options: layer, dtypes: ALL },
  { name: "few columns, the right operand across", inputs: operands(20, 24, 11), dtypes: ALL },
  {
    name: "few columns, left transposed",
    inputs: { a: [70, 45], b: { shape: [70, 6], scale: 0.12 } },
    options: { transposeA: true },
    dtypes: ALL,
  },
  {
    name: "few columns, both transposed, batched",
    inputs: { a: [2, 30, 24], b: { shape: [2, 3, 30], scale: 0.18 } },
    options: { transposeA: true, transposeB: true },
    dtypes: ALL,
  },
  { name: "inner dimension one", inputs: operands(13, 1, 33) },
  { name: "fewer rows than are packed", inputs: operands(8, 64, 300), dtypes: ALL },
  { name: "one row more than a panel, one column more than a strip", inputs: operands(13, 31, 33), dtypes: ALL },
  { name: "tail smaller than a vector everywhere", inputs: operands(31, 5, 7) },
  { name: "inner dimension over a block", inputs: operands(24, 257, 64), dtypes: ALL },
  {
    name: "both transposed, odd sizes",
    inputs: { a: [63, 100], b: { shape: [65, 63], scale: 1 / 8 } },
    options: { transposeA: true, transposeB: true },
    dtypes: ALL,
  },
  {
    name: "left transposed",
    inputs: { a: [100, 31], b: { shape: [100, 33], scale: 0.1 } },
    options: { transposeA: true },
  },
  {
    name: "left transposed, few rows, long sum (a router's weight gradient)",
    inputs: { a: [1100, 4], b: { shape: [1100, 96], scale: 0.03 } },
    options: { transposeA: true },
  },
  {
    name: "inner dimension split in ranges (a small layer's weight gradient)",
    inputs: { a: [2600, 64], b: { shape: [2600, 192], scale: 0.02 } },
    options: { transposeA: true },
  },
  {
    name: "one row and two columns more than a large tile, the inner dimension in whole fours",
    inputs: operands(33, 12, 130),
  },
  { name: "columns over many cells: a is packed once for all", inputs: operands(40, 70, 3100) },
  { name: "rows and columns over many cells: both are packed once", inputs: operands(600, 20, 3100) },
  {
    name: "both packed once, both transposed",
    inputs: { a: [24, 530], b: { shape: [2200, 24], scale: 0.2 } },
    options: { transposeA: true, transposeB: true },
  },
  { name: "rows over several cells", inputs: linear(600, 40, 96), options: layer },
  {
    name: "two strips of a layer's columns, inner dimension not in fours",
    inputs: linear(13, 39, 70),
    options: layer,
    dtypes: ALL,
  },
  {
    name: "batches of few rows and many columns: cells are widened",
    inputs: { a: [8, 9, 5], b: { shape: [8, 5, 1030], scale: 0.2 } },
  },
  {
    name: "spikes",
    inputs: { a: { shape: [33, 65], fill: "spiky" }, b: { shape: [65, 40], fill: "spiky", scale: 0.1 } },
  },
];

const batched: OpCase[] = [
  { name: "batched", inputs: { a: [3, 17, 20], b: { shape: [3, 20, 35], scale: 0.2 } }, dtypes: ALL },
  {
    name: "batched, scores: q kᵀ",
    inputs: { a: [6, 33, 16], b: { shape: [6, 33, 16], scale: 0.25 } },
    options: { transposeB: true },
  },
  { name: "batched, b shared by all", inputs: { a: [3, 13, 20], b: { shape: [20, 35], scale: 0.2 } } },
  { name: "batched, a shared by all", inputs: { a: [13, 20], b: { shape: [3, 20, 35], scale: 0.2 } } },
  { name: "batched, one row each", inputs: { a: [5, 1, 48], b: { shape: [5, 48, 40], scale: 0.15 } } },
];

const activations: OpCase[] = (["gelu", "geluTanh", "quickGelu", "silu", "tanh", "relu"] as const).map(
  (activation) => ({
    name: `linear with bias and ${activation}`,
    inputs: linear(37, 40, 67),
    options: { ...layer, activation },
    dtypes: ALL,
  }),
);

const layers: OpCase[] = [
  { name: "MISS-tiny fc1", inputs: linear(8 * 65, 64, 256), options: { ...layer, activation: "gelu" }, bench: true },
  { name: "MISS-small qkv", inputs: linear(1576, 384, 1152), options: layer, bench: true },
  { name: "MISS-small fc1", inputs: linear(1576, 384, 1536), options: { ...layer, activation: "gelu" }, bench: true },
  { name: "MISS-base fc2", inputs: linear(901, 3072, 768), options: layer, bench: true },
  {
    name: "vocabulary head, few rows",
    inputs: linear(40, 64, 30524),
    options: layer,
    bench: true,
    tolerance: {
      value: { f32: 1e-5 },
      reason: "da sums 30,524 products, on a GPU one after the other: the roundings grow with the root of it",
    },
  },
  { name: "decode, one row", inputs: linear(1, 2048, 5632), options: layer, bench: true },
];

const squares: OpCase[] = [
  { name: "512³", inputs: operands(512, 512, 512), bench: true },
  { name: "1024³", inputs: operands(1024, 1024, 1024), bench: true },
  { name: "256 × 2048 × 5632", inputs: operands(256, 2048, 5632), bench: true },
];

export const table: CaseTable = {
  op: "matmul",
  tolerance: { f32: 5e-6, bf16: 8e-3, f16: 1e-3 },
  reason:
    "f32 sums of K terms of size 1/sqrt(K): rounding grows as sqrt(K) 2^-24, at most 55 of them for K = 3,072, less where " +
    "lanes sum apart; half types round once per stored value (2^-9, 2^-12 relative), gradients a second time in between",
  cases: [...empty, ...edges, ...batched, ...activations, ...layers, ...squares],
  cost: (c, pass, dtype = "f32") => {
    const { a, b, bias } = c.inputs;
    const [left, right] = [shapeOf(a), shapeOf(b)];
    const [M, K] = [
      left.at(c.options?.transposeA ? -1 : -2) as number,
      left.at(c.options?.transposeA ? -2 : -1) as number,
    ];
    const N = right.at(c.options?.transposeB ? -2 : -1) as number;
    const B = left.length > 2 ? left[0] : right.length > 2 ? right[0] : 1;
    const flops = 2 * B * M * N * K;
    const operands = bytesOf(a, dtype) + bytesOf(b, dtype);
    const bytes = operands + bytesOf(bias, dtype) + B * M * N * BYTES[dtype];
    return pass === "forward" ? { flops, bytes } : { flops: 2 * flops, bytes: bytes + operands };
  },
};

/** A layer of a model as a case: T tokens, from K to N. */
export const linearCase = (name: string, [T, K, N]: readonly [number, number, number], bias = true): OpCase => {
  const { bias: added, ...products } = linear(T, K, N);
  return { name, inputs: bias ? { ...products, bias: added } : products, options: layer };
};

/** The layers of MISS (models/miss/config.ts, base) on `images` of 901 tokens; `by` divides images, tokens and widths. */
const miss =
  (by: number) =>
  (images = 8 / by) => {
    const T = images * Math.ceil(901 / by);
    const [C, F] = [768 / by, 3072 / by];
    const fc1 = linearCase("MISS: fc1", [T, C, F]);
    return [
      linearCase("MISS: qkv", [T, C, 3 * C]),
      linearCase("MISS: proj", [T, C, C]),
      { ...fc1, options: { ...layer, activation: "gelu" } },
      linearCase("MISS: fc2", [T, F, C]),
    ];
  };

/** The size is the number of images. */
export const sets: CaseSets = { miss: miss(1), "miss-mini": miss(8) };
