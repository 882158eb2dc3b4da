import { FEW_ROWS, fewLaunch, gemmLaunches } from "../common/cuda/gemm.js";
import { ceilDiv, type FloatDType } from "../contract.js";
import type { Product, Sizes } from "./plan.js";

/** Bytes of a value. */
export const bytesOf = (dtype: FloatDType) => (dtype === "f32" ? 4 : 2);
/** On CUDA, rank.cuh for f32 and rank-half.cuh: tokens and ranks of a block. */
const RANK_TILE = 8;
const HALF_TOKENS = 32;
const HALF_RANKS = [16, 32, 64];
/** The rows of rank R. */
export const rankLaunches = (symbol: string) => [
  {
    symbol: `${symbol}_rank`,
    dtypes: ["f32"] as const,
    grid: ({ T, R }: Sizes) => [ceilDiv(T, RANK_TILE) * ceilDiv(R, RANK_TILE), 1, 1] as const,
    block: () => [128, 1, 1] as const,
  },
  ...HALF_RANKS.map((ranks) => ({
    symbol: `${symbol}_rank_${ranks}`,
    dtypes: ["bf16", "f16"] as const,
    grid: ({ T, R }: Sizes) => {
      const mine = (HALF_RANKS.find((held) => R <= held) ?? HALF_RANKS.at(-1)) === ranks;
      return [mine ? ceilDiv(T, HALF_TOKENS) * ceilDiv(R, ranks) : 0, 1, 1] as const;
    },
    block: () => [256, 1, 1] as const,
  })),
];

/** Columns and rows of a product, whose lines are N and K values. */
export const cudaProduct = <P extends Sizes>(
  symbol: string,
  product: (p: P) => Product,
  rightAlongK: boolean,
  whole: (p: P) => boolean = () => true,
) => [
  fewLaunch(`${symbol}_few`, (p: P) => ({
    batches: whole(p) && p.T > 0 && p.T <= FEW_ROWS ? 1 : 0,
    columns: product(p).N,
    alongK: rightAlongK,
  })),
  ...gemmLaunches(
    symbol,
    (p: P) => ({ B: 1, ...product(p), lines: [p.N, p.K] }),
    (p, { rows, columns }) => (whole(p) && p.T > FEW_ROWS ? ceilDiv(p.T, rows) * ceilDiv(product(p).N, columns) : 0),
  ),
];
