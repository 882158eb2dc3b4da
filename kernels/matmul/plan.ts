/**
 * How the cpu device cuts a product into cells. Only the shape decides, never the number of threads, so results do not
 * depend on it. kernels/common/cpu/gemm-plan.h computes the same numbers from the same params: change both.
 */

/** Rows of an A panel on the widest target (6 on AVX2), columns of a B strip, both the same for all targets. */
const PANEL = 12;
const STRIP = 32;
/** Rows that one cell may own: with K blocks of 256 the packed A block (516 x 256 f32) stays in a 1 MiB L2. */
const MAX_ROWS = 516;
const MAX_COLS = 1024;
const MIN_COLS = 128;
/** Enough cells to balance many threads, unless a cell would fall below 20 million multiply-adds (about 300 microseconds). */
const ENOUGH_CELLS = 16;
const CELL_WORK = 20e6;
/** Cells of less are widened where there are plenty: the first strip of a cell waits for memory, others are fetched ahead. */
const SMALL_WORK = 1e6;
const PLENTY_CELLS = 4 * ENOUGH_CELLS;
/** Packing in place stays in L2, packing for all goes through memory and costs about as much as doing it twice. */
const PACKS_IN_PLACE = 2;
/** Up to this many rows nothing is packed: each element of B is read once, straight from its place. */
export const SKINNY_ROWS = 8;
/** Columns of a cell of the skinny path. */
export const SKINNY_COLS = 256;

const roundUp = (n: number, step: number) => Math.ceil(n / step) * step;

export interface GemmShape {
  readonly B: number;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export interface GemmPlan {
  /** Rows and columns of a cell. */
  readonly rows: number;
  readonly cols: number;
  readonly rowCells: number;
  readonly colCells: number;
  /** The inner dimension is cut into this many ranges of `depth`, whose partial products are joined in order. */
  readonly splits: number;
  readonly depth: number;
  /** An operand that many cells use is packed once, by a launch of its own; any other by its users. */
  readonly shareA: boolean;
  readonly shareB: boolean;
}

export function gemmPlan({ B, M, N, K }: GemmShape): GemmPlan {
  // A product without rows or columns has no cells; the size of one is then any that is not 0.
  let rows = M <= MAX_ROWS ? roundUp(Math.max(1, M), PANEL) : 192;
  // A wide B is cut by columns only, so that each cell packs its own part and B is read once.
  const byRows = M > MAX_ROWS || N <= MAX_COLS;
  let cols = byRows ? roundUp(Math.ceil(Math.max(1, N) / Math.max(1, Math.ceil(N / MAX_COLS))), STRIP) : MIN_COLS;
  const cells = () => B * Math.ceil(M / rows) * Math.ceil(N / cols);
  while (!byRows && cols < MAX_COLS && cells() > PLENTY_CELLS && rows * cols * K < SMALL_WORK) cols *= 2;
  while (cells() < ENOUGH_CELLS && rows * cols * K > CELL_WORK) {
    if (byRows && rows >= 192) rows = roundUp(rows / 2, PANEL);
    else if (cols > MIN_COLS) cols = roundUp(cols / 2, STRIP);
    else if (rows >= 96) rows = roundUp(rows / 2, PANEL);
    else break;
  }
  const wanted = Math.min(
    Math.floor(K / 512),
    Math.floor(16 / Math.max(1, cells())),
    Math.floor((B * M * N * K) / 2 ** 21),
  );
  const depth = wanted > 1 ? roundUp(Math.ceil(K / wanted), 256) : K;
  const rowCells = Math.ceil(M / rows);
  const colCells = Math.ceil(N / cols);
  return {
    rows,
    cols,
    rowCells,
    colCells,
    splits: wanted > 1 ? Math.ceil(K / depth) : 1,
    depth,
    shareA: colCells > PACKS_IN_PLACE,
    shareB: rowCells > PACKS_IN_PLACE,
  };
}

/** How many matrices an operand has: 1 where all batches share it. */
export interface Matrices {
  readonly a: number;
  readonly b: number;
}

/** A cell of the packing launch takes this many rows of A, or columns of B, and this much of their depth. */
const PACK_ITEMS = 96;
const PACK_DEPTH = 256;
/** Rows of a cell of the launch that joins the partial products. */
const JOIN_ROWS = 8;

export const packBlocks = (items: number, depth: number) =>
  Math.ceil(items / PACK_ITEMS) * Math.ceil(depth / PACK_DEPTH);

export function packCells(shape: GemmShape, matrices: Matrices): number {
  const { M, N, K } = shape;
  const { shareA, shareB } = gemmPlan(shape);
  return (shareA ? matrices.a * packBlocks(M, K) : 0) + (shareB ? matrices.b * packBlocks(N, K) : 0);
}

export function joinCells(shape: GemmShape): number {
  return gemmPlan(shape).splits > 1 ? shape.B * Math.ceil(shape.M / JOIN_ROWS) : 0;
}

/** Scratch in floats: packed A, packed B (panels and strips padded with zeros, each from a cache line on), partials. */
export function scratchFloats(shape: GemmShape, matrices: Matrices): number {
  const { B, M, N, K } = shape;
  const { shareA, shareB, splits } = gemmPlan(shape);
  const a = shareA ? roundUp(matrices.a * roundUp(M, PANEL) * K, 16) : 0;
  const b = shareB ? matrices.b * roundUp(N, STRIP) * K : 0;
  return a + b + (splits > 1 ? splits * B * M * N : 0);
}
