// A tile of a product in registers: for adapters that run on the CPU, where a load costs as much as many multiply-adds and a
// barrier more. The kernel binds its operands as left and right: array<Operand>; product-register.wgsl loads them element by
// element, product-register-fours.wgsl four at a time.
//
// Method    four steps of k at a time, whose order k_order may choose for each lane of a quad: a block of the right operand,
//           four such steps of four columns, times a matrix of the same steps of four rows of the left one
// Tiling    a workgroup owns TILE_ROWS rows × TILE_COLUMNS columns; a thread owns one or two fours of neighbouring columns
//           of every row, 4 THREADS columns apart
// Numerics  f32, fours of k in order. Past the last k both operands are 0: no Inf · 0 there
// Limits    subgroups of 4 lanes or more; TILE_ROWS is 16 or 32, TILE_COLUMNS 4 or 8 THREADS; EXACT: 1 where K is a multiple
//           of four, so that nothing is past it
//
// The rows are written out, since SwiftShader (4 lanes) unrolls no loop.

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

fn multiply(p: Product, group: vec3<u32>, thread: u32) {
  let lane = subgroupExclusiveAdd(1u) % 4u;
  let order = k_order(lane);
  let row = tile_row(group, thread, 0u);
  let rows0 = left_places(p.left, row + 0u, lane);
  let rows1 = left_places(p.left, row + 4u, lane);
  let rows2 = left_places(p.left, row + 8u, lane);
  let rows3 = left_places(p.left, row + 12u, lane);
  let rows4 = left_places(p.left, row + 16u, lane);
  let rows5 = left_places(p.left, row + 20u, lane);
  let rows6 = left_places(p.left, row + 24u, lane);
  let rows7 = left_places(p.left, row + 28u, lane);
  let column = tile_column(group, thread, 0u);
  let columns = right_places(p.right, column);
  let second_columns = right_places(p.right, column + 4u * THREADS);

  // Of four rows each: their first fours, then from 8 on their second. Only by indices that do not vary: in registers.
  var s = array<mat4x4<f32>, 16>();
  for (var k = 0u; k < p.K; k += 4u) {
    let inside = k + order < vec4(p.K);
    let left_inside = k + lane < p.K;
    let left_k = left_step(p.left, k, lane);
    let steps = right_steps(p.right, k, lane);
    let block = right_block(columns, steps, inside);
    var second = mat4x4<f32>();
    if (FOURS == 2u) {
      second = right_block(second_columns, steps, inside);
    }
    let a0 = left_rows(rows0 + left_k, left_inside);
    s[0] += block * a0;
    if (FOURS == 2u) {
      s[8] += second * a0;
    }
    let a1 = left_rows(rows1 + left_k, left_inside);
    s[1] += block * a1;
    if (FOURS == 2u) {
      s[9] += second * a1;
    }
    let a2 = left_rows(rows2 + left_k, left_inside);
    s[2] += block * a2;
    if (FOURS == 2u) {
      s[10] += second * a2;
    }
    let a3 = left_rows(rows3 + left_k, left_inside);
    s[3] += block * a3;
    if (FOURS == 2u) {
      s[11] += second * a3;
    }
    if (TILE_ROWS == 32u) {
      let a4 = left_rows(rows4 + left_k, left_inside);
      s[4] += block * a4;
      if (FOURS == 2u) {
        s[12] += second * a4;
      }
      let a5 = left_rows(rows5 + left_k, left_inside);
      s[5] += block * a5;
      if (FOURS == 2u) {
        s[13] += second * a5;
      }
      let a6 = left_rows(rows6 + left_k, left_inside);
      s[6] += block * a6;
      if (FOURS == 2u) {
        s[14] += second * a6;
      }
      let a7 = left_rows(rows7 + left_k, left_inside);
      s[7] += block * a7;
      if (FOURS == 2u) {
        s[15] += second * a7;
      }
    }
  }
  add(0u, s[0]);
  add(4u, s[1]);
  add(8u, s[2]);
  add(12u, s[3]);
  if (TILE_ROWS == 32u) {
    add(16u, s[4]);
    add(20u, s[5]);
    add(24u, s[6]);
    add(28u, s[7]);
  }
  if (FOURS == 2u) {
    add(TILE_ROWS + 0u, s[8]);
    add(TILE_ROWS + 4u, s[9]);
    add(TILE_ROWS + 8u, s[10]);
    add(TILE_ROWS + 12u, s[11]);
    if (TILE_ROWS == 32u) {
      add(TILE_ROWS + 16u, s[12]);
      add(TILE_ROWS + 20u, s[13]);
      add(TILE_ROWS + 24u, s[14]);
      add(TILE_ROWS + 28u, s[15]);
    }
  }
}

fn add(first: u32, rows: mat4x4<f32>) {
  sums[first] += rows[0];
  sums[first + 1u] += rows[1];
  sums[first + 2u] += rows[2];
  sums[first + 3u] += rows[3];
}
