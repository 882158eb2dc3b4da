import { ceilDiv } from "../contract.js";
import { gemmPlan, packBlocks } from "../matmul/plan.js";

const roundUp = (n: number, step: number) => ceilDiv(n, step) * step;

/** A product [M,K] [K,N] with a branch of rank R beside it. */
export interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly R: number;
}

const plan = ({ M, N, K }: Product) => gemmPlan({ B: 1, M, N, K });

/** Floats of scratch: packed rows, packed rank rows, both adapters, the weight where several cells use it. See product.h. */
export function scratchFloats(p: Product): number {
  const { M, N, K, R } = p;
  const rows = roundUp(roundUp(M, 12) * K, 16) + roundUp(roundUp(M, 12) * R, 16);
  const adapters = roundUp(R, 32) * K + roundUp(N, 32) * R;
  return rows + adapters + (plan(p).shareB ? roundUp(N, 32) * K : 0);
}

/** The launches of product.h: adapters, then rows (and weight), then the product, unless only the rank rows are wanted. */
export const launches = <P>(
  symbol: string,
  product: (params: P) => Product,
  whole: (params: P) => boolean = () => true,
) => [
  {
    symbol: `${symbol}_adapters`,
    cells: (p: P) => ceilDiv(product(p).R, 32) + (whole(p) ? ceilDiv(product(p).N, 256) : 0),
  },
  {
    symbol: `${symbol}_rows`,
    cells: (p: P) => {
      const shared = whole(p) && plan(product(p)).shareB;
      return ceilDiv(product(p).M, 48) + (shared ? packBlocks(product(p).N, product(p).K) : 0);
    },
  },
  {
    symbol,
    cells: (p: P) => {
      const { rowCells, colCells } = plan(product(p));
      return whole(p) ? rowCells * colCells : 0;
    },
  },
];

/** Of every pass: tokens, columns, rows and rank of the layer. */
export type Sizes = { T: number; N: number; K: number; R: number };
export const forwardProduct = ({ T, N, K, R }: Sizes): Product => ({ M: T, N, K, R });
export const backwardProduct = ({ T, N, K, R }: Sizes): Product => ({ M: T, N: K, K: N, R });
