/** Of b at a time: rows summed over, and columns, a panel of each block staying in the first cache. */
const BLOCK_K = 256;
const BLOCK_N = 128;
/** Of the result at a time, in local variables. */
const ROWS = 4;
const COLUMNS = 4;

export interface Product {
  /** [M, K]; where `rows` is given, row i is row rows[i] of it. */
  readonly a: Float32Array;
  readonly rows?: Int32Array;
  readonly M: number;
  readonly K: number;
  readonly N: number;
  /** [N, K] where `transposed`, else [K, N]. */
  readonly b: Float32Array;
  readonly transposed: boolean;
  /** Added to, [M, N]. */
  readonly c: Float32Array;
}

/** Numbers of a block of b, four columns side by side; those beyond the last are zero. */
const panel = new Float64Array(BLOCK_K * BLOCK_N);

/** c += a b: loops in blocks, as far as plain JavaScript goes. */
export function product(p: Product): void {
  for (let k0 = 0; k0 < p.K; k0 += BLOCK_K) {
    const k1 = Math.min(k0 + BLOCK_K, p.K);
    for (let n0 = 0; n0 < p.N; n0 += BLOCK_N) {
      const n1 = Math.min(n0 + BLOCK_N, p.N);
      pack(p, k0, k1, n0, n1);
      let m = 0;
      for (; m + ROWS <= p.M; m += ROWS) fourRows(p, m, k0, k1, n0, n1);
      for (; m < p.M; m++) oneRow(p, m, k0, k1, n0, n1);
    }
  }
}

function pack({ b, K, N, transposed }: Product, k0: number, k1: number, n0: number, n1: number): void {
  const [alongK, alongN] = transposed ? [1, K] : [N, 1];
  let at = 0;
  for (let n = n0; n < n1; n += COLUMNS)
    for (let k = k0; k < k1; k++)
      for (let j = n; j < n + COLUMNS; j++) panel[at++] = j < n1 ? b[k * alongK + j * alongN] : 0;
}

const rowOf = ({ rows, K }: Product, m: number) => (rows ? rows[m] : m) * K;

function fourRows(p: Product, m: number, k0: number, k1: number, n0: number, n1: number): void {
  const { a, c, N } = p;
  const [r0, r1, r2, r3] = [rowOf(p, m), rowOf(p, m + 1), rowOf(p, m + 2), rowOf(p, m + 3)];
  let at = 0;
  for (let n = n0; n < n1; n += COLUMNS) {
    let [c00, c01, c02, c03] = [0, 0, 0, 0];
    let [c10, c11, c12, c13] = [0, 0, 0, 0];
    let [c20, c21, c22, c23] = [0, 0, 0, 0];
    let [c30, c31, c32, c33] = [0, 0, 0, 0];
    for (let k = k0; k < k1; k++, at += COLUMNS) {
      const b0 = panel[at];
      const b1 = panel[at + 1];
      const b2 = panel[at + 2];
      const b3 = panel[at + 3];
      const a0 = a[r0 + k];
      c00 += a0 * b0;
      c01 += a0 * b1;
      c02 += a0 * b2;
      c03 += a0 * b3;
      const a1 = a[r1 + k];
      c10 += a1 * b0;
      c11 += a1 * b1;
      c12 += a1 * b2;
      c13 += a1 * b3;
      const a2 = a[r2 + k];
      c20 += a2 * b0;
      c21 += a2 * b1;
      c22 += a2 * b2;
      c23 += a2 * b3;
      const a3 = a[r3 + k];
      c30 += a3 * b0;
      c31 += a3 * b1;
      c32 += a3 * b2;
      c33 += a3 * b3;
    }
    const columns = n1 - n;
    add(c, m * N + n, columns, c00, c01, c02, c03);
    add(c, (m + 1) * N + n, columns, c10, c11, c12, c13);
    add(c, (m + 2) * N + n, columns, c20, c21, c22, c23);
    add(c, (m + 3) * N + n, columns, c30, c31, c32, c33);
  }
}

function oneRow(p: Product, m: number, k0: number, k1: number, n0: number, n1: number): void {
  const { a, c, N } = p;
  const row = rowOf(p, m);
  let at = 0;
  for (let n = n0; n < n1; n += COLUMNS) {
    let [c0, c1, c2, c3] = [0, 0, 0, 0];
    for (let k = k0; k < k1; k++, at += COLUMNS) {
      const value = a[row + k];
      c0 += value * panel[at];
      c1 += value * panel[at + 1];
      c2 += value * panel[at + 2];
      c3 += value * panel[at + 3];
    }
    add(c, m * N + n, n1 - n, c0, c1, c2, c3);
  }
}

function add(c: Float32Array, at: number, columns: number, v0: number, v1: number, v2: number, v3: number): void {
  c[at] += v0;
  if (columns > 1) c[at + 1] += v1;
  if (columns > 2) c[at + 2] += v2;
  if (columns > 3) c[at + 3] += v3;
}

/** A matrix [rows, columns] as [columns, rows]. */
export function turned(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j];
  return result;
}

/** Rows of the bias, or zeros: what a product is added to. */
export function biased(M: number, N: number, bias?: Float32Array): Float32Array {
  const c = new Float32Array(M * N);
  if (bias) for (let m = 0; m < M; m++) c.set(bias, m * N);
  return c;
}
