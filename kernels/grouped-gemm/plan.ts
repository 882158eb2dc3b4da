/**
 * How the cpu device cuts grouped products into cells. Only the shape decides: how many rows an expert has is known on the
 * device alone, so there are as many blocks of rows as there can be at most, and a cell finds its own in the offsets.
 * kernels/grouped-gemm/product.h computes the same numbers: change both.
 */
import { ceilDiv } from "../contract.js";

/** Rows and columns that one cell may own: its A block, 256 of K deep, and its sums stay in a 1 MiB L2. */
const MAX_ROWS = 264;
const MAX_COLS = 512;
const MIN_COLS = 128;
/** Rows and columns of a cell are multiples of these, on every target. */
const PANEL = 12;
const STRIP = 32;
/** Cells there should be where one expert has all the rows, unless one would fall below 20 million multiply-adds. */
const ENOUGH_CELLS = 8;
const CELL_WORK = 20e6;

const roundUp = (n: number, step: number) => ceilDiv(n, step) * step;
/** Equal parts of at most `most`, in steps. */
const part = (n: number, most: number, step: number) =>
  roundUp(ceilDiv(Math.max(1, n), Math.max(1, ceilDiv(n, most))), step);

export interface GroupedRows {
  readonly R: number;
  readonly E: number;
  /** Columns of the weight, K what is summed over. */
  readonly N: number;
  readonly K: number;
}

/** Products of rows with the weight of their expert: blocks of rows by columns. */
export function rowPlan({ R, E, N, K }: GroupedRows) {
  const rows = Math.min(R, MAX_ROWS);
  const full = ceilDiv(R, MAX_ROWS);
  let cols = part(N, MAX_COLS, STRIP);
  while (full * ceilDiv(N, cols) < ENOUGH_CELLS && rows * cols * K > CELL_WORK && cols > MIN_COLS)
    cols = roundUp(ceilDiv(cols, 2), STRIP);
  // Full blocks, a rest for each expert that has rows, and the rows that nobody has.
  const blocks = R === 0 ? 0 : Math.floor(R / MAX_ROWS) + Math.min(E, R) + 1;
  return { cols, colCells: ceilDiv(N, cols), blocks };
}

export const rowCells = (shape: GroupedRows) => {
  const { blocks, colCells } = rowPlan(shape);
  return blocks * colCells;
};

export interface WeightShape {
  readonly R: number;
  readonly E: number;
  /** Of an expert's gradient. */
  readonly rows: number;
  readonly cols: number;
}

/** Gradients of the weights: a rectangle of one expert's. */
export function weightPlan(shape: WeightShape) {
  let rows = part(shape.rows, MAX_ROWS, PANEL);
  let cols = part(shape.cols, MAX_COLS, STRIP);
  const cells = () => ceilDiv(shape.rows, rows) * ceilDiv(shape.cols, cols);
  while (cells() < ENOUGH_CELLS && rows * cols * shape.R > CELL_WORK) {
    if (cols >= rows && cols > MIN_COLS) cols = roundUp(ceilDiv(cols, 2), STRIP);
    else if (rows >= 96) rows = roundUp(ceilDiv(rows, 2), PANEL);
    else break;
  }
  // One at least: where K is 0, a cell has the gradient of the bias still.
  return {
    rows,
    cols,
    rowCells: Math.max(1, ceilDiv(shape.rows, rows)),
    colCells: Math.max(1, ceilDiv(shape.cols, cols)),
  };
}

export const weightCells = (shape: WeightShape) => {
  const { rowCells, colCells } = weightPlan(shape);
  return shape.E * rowCells * colCells;
};
