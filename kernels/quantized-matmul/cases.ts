import type { CaseTable, InputSpec, OpCase } from "../case-table.js";
import type { FloatDType } from "../contract.js";
import { BYTES, bytesOf, shapeOf } from "../cost.js";
import { rowWords } from "./format.js";

const ALL: readonly FloatDType[] = ["f32", "bf16", "f16"];
const BOTH = [
  { bits: 4, group: 32 },
  { bits: 8, group: 64 },
] as const;
type Format = { readonly bits: number; readonly group: number };

/** Words of random integers, and of bf16 scales of both signs near 1 / (2^(bits - 2) sqrt(K)), so that results stay near 1. */
function words(lead: readonly number[], K: number, { bits, group }: Format): InputSpec {
  const W = rowWords(K, bits, group);
  const shape = [...lead, W];
  return {
    shape,
    dtype: "u32",
    get values() {
      const out = new Array<number>(shape.reduce((a, b) => a * b, 1));
      let state = 12345;
      const next = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return (state ^ (state >>> 15)) >>> 0;
      };
      const bf16 = new Uint32Array(Float32Array.of(1 / (2 ** (bits - 2) * Math.sqrt(K))).buffer)[0] >>> 16;
      const scale = () => (bf16 + (next() % 64) - 32) | ((next() & 1) << 15);
      for (let i = 0; i < out.length; i++)
        out[i] = i % W < (K * bits) / 32 ? next() : ((scale() << 16) | scale()) >>> 0;
      return out;
    },
  };
}

const linear = (T: number, K: number, N: number, format: Format, extra: Partial<OpCase> = {}, bias = true) => ({
  inputs: { x: [T, K], weight: words([N], K, format), ...(bias && { bias: [N] }) } as OpCase["inputs"],
  options: { ...format, ...extra.options },
});

/** Each of both formats. */
const both = (
  name: string,
  sizes: readonly [T: number, K: number, N: number],
  extra: Partial<OpCase> = {},
  bias = true,
): OpCase[] =>
  BOTH.map((format) => ({
    ...extra,
    name: `${name}, ${format.bits} bits`,
    ...linear(...sizes, format, extra, bias),
  }));

/** The routing record of rows that have experts already: offsets, counts, order. */
function grouped(counts: readonly number[], order: readonly number[]): InputSpec {
  const offsets = [0];
  for (const n of counts) offsets.push((offsets.at(-1) as number) + n);
  const rest = new Array<number>(2 * order.length).fill(0);
  const values = [...offsets, ...counts, ...order, ...rest];
  return { shape: [values.length], dtype: "i32", values };
}
const counting = (n: number) => Array.from({ length: n }, (_, i) => i);

const experts = (
  name: string,
  counts: readonly number[],
  R: number,
  [K, N]: readonly [number, number],
  extra: Partial<OpCase> = {},
): OpCase[] =>
  BOTH.map((format) => ({
    ...extra,
    name: `${name}, ${format.bits} bits`,
    inputs: {
      x: [R, K],
      weight: words([counts.length, N], K, format),
      lists: grouped(counts, counting(R)),
    },
    options: { ...format },
  }));

const quantized: CaseTable = {
  op: "quantizedMatmul",
  tolerance: { f32: 5e-6, bf16: 8e-3, f16: 1e-3 },
  reason:
    "as matmul: the words are exact, what differs is the order of f32 sums; half types round once per stored value",
  cases: [
    ...both("no row", [0, 64, 5]),
    ...both("one group, one row, one column", [1, 64, 1], { dtypes: ALL }),
    ...both("decode", [1, 320, 131], { dtypes: ALL }),
    ...both("decode without a bias", [1, 576, 70], {}, false),
    ...both("an odd number of scales", [2, 192, 9]),
    ...[2, 3, 4, 5, 6, 7, 8].flatMap((T) => both(`${T} rows`, [T, 192, 21])),
    ...both("more rows than are streamed", [9, 448, 100], { dtypes: ALL }),
    ...both("more rows than a panel, columns than a strip", [25, 832, 67]),
    ...both("rows over several cells", [600, 64, 130]),
    ...both("with an activation, one row", [1, 128, 40], { options: { activation: "silu" } }),
    ...both("with an activation", [37, 128, 40], { options: { activation: "gelu" }, dtypes: ALL }),
    { name: "4 bits by 64", ...linear(3, 448, 33, { bits: 4, group: 64 }) },
    { name: "8 bits by 32", ...linear(3, 416, 33, { bits: 8, group: 32 }) },
    { name: "4 bits by 64, many rows", ...linear(33, 448, 33, { bits: 4, group: 64 }) },
    { name: "8 bits by 32, many rows", ...linear(33, 416, 33, { bits: 8, group: 32 }) },
    ...experts("experts, one of them empty, rows left over", [3, 0, 9, 1], 15, [128, 70]),
    ...experts("experts, all rows on one", [0, 20], 20, [64, 9], { dtypes: ALL }),
    ...both("StableLM fc1, decode", [1, 2048, 5632], { bench: true }),
    ...both("StableLM fc1, 256 rows", [256, 2048, 5632], { bench: true }),
  ],
  // The words get no gradient: dx alone, a product as large.
  cost: ({ inputs: { x, weight, bias, lists } }, pass, dtype = "f32") => {
    const [T, K] = shapeOf(x);
    const N = shapeOf(weight).at(-2) as number;
    const moved = bytesOf(x, dtype) + bytesOf(weight, dtype) + bytesOf(lists, dtype) + T * N * BYTES[dtype];
    return { flops: 2 * T * K * N, bytes: pass === "forward" ? moved + bytesOf(bias, dtype) : moved };
  },
};

const row = (...values: number[]) => [...values, ...new Array<number>(32 - values.length).fill(0)];

const quantize: CaseTable = {
  op: "quantize",
  tolerance: { f32: 0, bf16: 0, f16: 0 },
  reason: "words",
  cases: [
    ...BOTH.flatMap((format): OpCase[] => [
      { name: `random, ${format.bits} bits`, inputs: { weight: [7, 320] }, options: format, dtypes: ALL },
      {
        name: `spikes, odd number of scales, ${format.bits} bits`,
        inputs: { weight: { shape: [33, 192], fill: "spiky" } },
        options: format,
      },
      { name: `a stack, ${format.bits} bits`, inputs: { weight: [3, 5, 64] }, options: format },
      { name: `no row, ${format.bits} bits`, inputs: { weight: [0, 64] }, options: format },
    ]),
    {
      name: "zeros, ties and both signs of the largest, 4 bits",
      inputs: {
        weight: {
          shape: [4, 32],
          values: [...row(), ...row(8, 0.5, 1.5, 2.5, -0.5, -8), ...row(-8, 8, 7.5, -3.5), ...row(1e-30, -1e-30)],
        },
      },
      options: BOTH[0],
    },
  ],
};

export const tables: readonly CaseTable[] = [quantized, quantize];
