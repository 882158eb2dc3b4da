import { ceilDiv } from "../../contract.js";
import { BYTES, type ThreadLaunch, vectors } from "./grid.js";

/** Of a block of lists.cuh. */
const KEYS = 256;
const THREADS = 512;

/** Of list-sums.cuh: a longer list is long; threads of its blocks. */
const LONG = 32;
const LONG_THREADS = 512;

/** Rows [O,V,I], each of which adds up those rows of [O,K,I] that its list names. */
export interface ListedRows {
  readonly O: number;
  readonly V: number;
  readonly K: number;
  readonly I: number;
}

/** Scratch memory of V lists with K entries. */
export const listBytes = (V: number, K: number) => 4 * (V + 1 + K);

/** The launch that fills V lists. */
export const makeLists = /* @__NO_SIDE_EFFECTS__ */ <P extends { readonly V: number }>(
  symbol: string,
): ThreadLaunch<P> => ({
  symbol,
  grid: ({ V }) => [Math.max(1, ceilDiv(V, KEYS)), 1, 1],
  block: () => [THREADS, 1, 1],
});

/** The launches that sum them: `<symbol>_short` a vector of a row by thread, `<symbol>_long` 32 vectors by block. */
export const sumLists = /* @__NO_SIDE_EFFECTS__ */ <P>(
  symbol: string,
  sizes: (params: P) => ListedRows,
): readonly ThreadLaunch<P>[] => [
  vectors(`${symbol}_short`, (params: P) => {
    const { O, V, I } = sizes(params);
    return O * V * I;
  }),
  {
    symbol: `${symbol}_long`,
    grid: (params, _, dtype) => {
      const { O, V, K, I } = sizes(params);
      const vector = 16 / BYTES[dtype];
      const chunks = ceilDiv(I, 32 * (I % vector === 0 ? vector : 1));
      // Without a key there is no list, not even where the first one begins.
      return [V > 0 && K > LONG ? O * ceilDiv(K, LONG) * chunks : 0, 1, 1];
    },
    block: () => [LONG_THREADS, 1, 1],
  },
];
