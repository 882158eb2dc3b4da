import type { CaseSets, CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { BYTES, bytesOf, shapeOf } from "../cost.js";

const ALL: readonly FloatDType[] = ["f32", "bf16", "f16"];

/** An adapted layer: x [T,K], weight [N,K], a [R,K], b [N,R], scaled so that both branches are near 1. */
const layer = (T: number, K: number, N: number, R: number, bias = true): Record<string, InputSpec> => ({
  x: [T, K],
  weight: { shape: [N, K], scale: 1 / Math.sqrt(K) },
  a: { shape: [R, K], scale: 1 / Math.sqrt(K) },
  b: { shape: [N, R], scale: 1 / Math.sqrt(R) },
  ...(bias ? { bias: [N] } : {}),
});

const cases: OpCase[] = [
  { name: "no row: the adapter's gradients are zero", inputs: layer(0, 40, 33, 4), options: { scale: 2 } },
  {
    name: "no inner dimension: the bias",
    inputs: { x: [5, 0], weight: [33, 0], a: [4, 0], b: [33, 4], bias: [33] },
    options: { scale: 2 },
  },
  { name: "no column", inputs: layer(13, 40, 0, 4), options: { scale: 2 } },
  { name: "one row", inputs: layer(1, 40, 33, 4), options: { scale: 2 }, dtypes: ALL },
  { name: "rank one", inputs: layer(13, 31, 65, 1, false), options: { scale: 0.5 } },
  { name: "rank over a strip", inputs: layer(25, 70, 35, 40), options: { scale: 1 } },
  {
    name: "rank over two tiles, tokens over a block, vectors",
    inputs: layer(37, 336, 40, 72),
    options: { scale: 1 },
    dtypes: ALL,
  },
  {
    name: "rank of four tiles, dropout",
    inputs: layer(33, 40, 48, 32),
    options: { scale: 1, dropout: 0.5 },
    dtypes: ALL,
  },
  { name: "rank of no whole tile", inputs: layer(9, 72, 40, 19), options: { scale: 1 }, dtypes: ALL },
  { name: "tails everywhere", inputs: layer(37, 65, 67, 3), options: { scale: 2 }, dtypes: ALL },
  { name: "inner dimension over a block", inputs: layer(49, 500, 130, 8), options: { scale: 2 }, dtypes: ALL },
  { name: "tokens over several cells and blocks", inputs: layer(1030, 48, 40, 8), options: { scale: 2 } },
  { name: "dropout", inputs: layer(50, 101, 70, 8), options: { scale: 2, dropout: 0.25 }, dtypes: ALL },
  { name: "dropout of almost everything", inputs: layer(20, 64, 40, 4), options: { scale: 1, dropout: 0.95 } },
  { name: "512 × 2048 × 2048, rank 8", inputs: layer(512, 2048, 2048, 8), options: { scale: 2 }, bench: true },
  {
    name: "512 × 2048 × 2048, rank 8, dropout",
    inputs: layer(512, 2048, 2048, 8),
    options: { scale: 2, dropout: 0.1 },
    bench: true,
  },
];

export const table: CaseTable = {
  op: "loraMatmul",
  tolerance: { f32: 5e-6, bf16: 1.6e-2, f16: 2e-3 },
  reason:
    "f32 sums of at most 2,048 terms of size 1/sqrt(K); half types round y once and h or g once (2^-9, 2^-12 relative), " +
    "which the adapter's gradients sum again",
  cases,
  cost: ({ inputs: { x, weight, a, b, bias } }, pass, dtype = "f32") => {
    const [T, K] = shapeOf(x);
    const [N, R] = shapeOf(b);
    const base = 2 * T * N * K;
    const branch = 2 * T * R * (N + K);
    const y = T * N * BYTES[dtype];
    const trained = bytesOf(x, dtype) + bytesOf(a, dtype) + bytesOf(b, dtype);
    const read = trained + bytesOf(weight, dtype);
    return pass === "forward"
      ? { flops: base + branch, bytes: read + bytesOf(bias, dtype) + y }
      : { flops: base + 2 * branch, bytes: read + y + trained };
  },
};

const adapted = (T: number, K: number, N: number, R: number): OpCase => ({
  name: `${T} × ${K} × ${N}, rank ${R}`,
  inputs: layer(T, K, N, R),
  options: { scale: 2 },
});

/** K and N of the layers that are adapted: of Llama-2-7B and Mistral-7B, of StableLM-2, of ViT-B and BERT. */
const LAYERS = [
  [4096, 4096],
  [4096, 14336],
  [14336, 4096],
  [2048, 5632],
  [768, 768],
] as const;

/** From a decoded token to a large batch; `by` divides rows and widths, not the rank, which is small. */
const grid = (by: number) => (rows?: number) =>
  LAYERS.flatMap(([K, N]) =>
    [4, 8, 16, 64].flatMap((R) =>
      (rows ? [rows] : [8, 256, 4096, 16384].map((T) => T / by)).map((T) => adapted(T, K / by, N / by, R)),
    ),
  );

/** Adapters on the attention of MISS, `images` of 901 tokens. */
const miss =
  (by: number) =>
  (images = 8 / by) =>
    [4, 8, 16].map((R) => adapted(images * Math.ceil(901 / by), 768 / by, 768 / by, R));

/** The size is the number of rows, but of `miss` the number of images. */
export const sets: CaseSets = { lora: grid(1), "lora-mini": grid(8), miss: miss(1), "miss-mini": miss(8) };
