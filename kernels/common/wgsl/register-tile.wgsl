// The frame of a product in registers: for adapters that run on the CPU, where a load costs as much as many multiply-adds and a
// barrier more. The kernel binds its operands as left and right: array<Operand>; product-register.wgsl loads them element by
// element, product-register-fours.wgsl four at a time. Each has its multiply.
//
// Method    four steps of k at a time: a block of the right operand, four such steps of four columns, times a matrix of the
//           same steps of four rows of the left one. Rows are written out, since SwiftShader (4 lanes) unrolls no loop
// Tiling    a workgroup owns TILE_ROWS rows × TILE_COLUMNS columns; a thread owns one or two fours of neighbouring columns
//           of every row, 4 THREADS columns apart
// Numerics  f32, fours of k in order. Past the last k both operands are 0: no Inf · 0 there
// Limits    subgroups of 4 lanes or more; TILE_ROWS is 16 or 32, TILE_COLUMNS 4 or 8 THREADS; EXACT: 1 where K is a multiple
//           of four, so that nothing is past it

struct Product {
  M: u32,
  N: u32,
  K: u32,
  left: Matrix,
  right: Matrix,
}

// Fours of neighbouring columns that a thread has of each row.
const FOURS = TILE_COLUMNS / (4u * THREADS);
const SUMS = TILE_ROWS * FOURS;

// What this thread has of the tile: the first four of each row, then the second of each. multiply adds to them.
var<private> sums: array<vec4<f32>, SUMS>;

fn tile_row(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  return group.y * TILE_ROWS + i % TILE_ROWS;
}

// The first column of a four.
fn tile_column(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  return group.x * TILE_COLUMNS + 4u * (i / TILE_ROWS * THREADS + thread);
}

// SUMS, of which the compiler must not know that it is constant: it would write a short epilogue out for each sum, and take
// four times as long (9 s for 2 on lavapipe).
fn sum_count(p: Product) -> u32 {
  return select(SUMS, 0u, p.M == 0u);
}

fn add(first: u32, rows: mat4x4<f32>) {
  sums[first] += rows[0];
  sums[first + 1u] += rows[1];
  sums[first + 2u] += rows[2];
  sums[first + 3u] += rows[3];
}
