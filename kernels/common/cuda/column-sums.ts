import { ceilDiv, type FloatDType } from "../../contract.js";

/** SUM_COLUMNS, SUM_ROWS, SUM_WIDTH, JOIN_ROWS and line_count of column-sums.cuh. */
const COLUMNS = 32;
const ROWS = 8;
const WIDTH = 4;
const JOIN_ROWS = 32;
const lines = (T: number) => Math.min(256, ceilDiv(T, 64));

interface Sizes {
  readonly T: number;
  readonly C: number;
}

/** How a pass adds up `sums` columns over rows: partial sums of blocks of rows as `<symbol>_partial`, then `<symbol>_join`. */
export const columnSums = /* @__NO_SIDE_EFFECTS__ */ (symbol: string, sums: number, dtypes: readonly FloatDType[]) => ({
  dtypes,
  scratchBytes: ({ T, C }: Sizes) => 4 * lines(T) * sums * C,
  launches: [
    {
      symbol: `${symbol}_partial`,
      grid: ({ T, C }: Sizes) => [ceilDiv(C, COLUMNS * WIDTH), lines(T), 1] as const,
      block: () => [COLUMNS * ROWS, 1, 1] as const,
    },
    {
      symbol: `${symbol}_join`,
      grid: ({ C }: Sizes) => [ceilDiv(C, COLUMNS), 1, 1] as const,
      block: () => [COLUMNS * JOIN_ROWS, 1, 1] as const,
    },
  ],
});
