// common: operand-fours
// A tile of a product in f16 by subgroup matrices, sums in f32: for adapters that offer them (an experiment of Chromium and
// Dawn, `chromium-experimental-subgroup-matrix`). The kernel binds its operands as left and
// right: array<Operand>.
//
// Method    per DEPTH = 32 steps of k: the workgroup loads both operands as they are stored, rows along k or along items;
//           barrier; each subgroup multiplies its quarter of the tile, 4 × 4 matrices of 16 × 16, in two steps of 16 k
// Tiling    a workgroup of four subgroups owns 128 × 128 outputs, a subgroup a quarter; at the end each matrix goes through
//           workgroup memory, from which a thread takes two fours of neighbouring columns
// Numerics  f32 sums in an order of the adapter's own. Past the last k both operands are 0: no Inf · 0 there
// Limits    LEFT_ALONG_K, RIGHT_ALONG_K: 1 where rows of the operand as it is stored run along k; subgroups of 32, all four full: a self-check (engine/check-matrices.ts) refuses an adapter that numbers its threads
//           otherwise. Workgroup memory 24 KiB
//
// On an H100 (driver 580.159), TFLOP/s: 2048³ 80, with the right operand transposed 84; 1024³ 18, as product-tiled, and 4096³
// 32, less than its 39: product.ts chooses by these. With the matrices in an array, 2048³ takes four times as long.

struct Product {
  M: u32,
  N: u32,
  K: u32,
  left: Matrix,
  right: Matrix,
}

const SIDE = 128u;
const DEPTH = 32u;
const SUMS = 32u;                          // two fours of each of 16 matrices
const ALONG_K = DEPTH / 4u + 2u;           // pitch of an item, in fours: padded, so that rows lie in different banks
const ALONG_ITEMS = SIDE / 4u + 2u;        // pitch of a k
const FOURS = 1280u;                       // the larger of SIDE ALONG_K and DEPTH ALONG_ITEMS
const LOADS = SIDE * DEPTH / 4u / 128u;    // fours of each operand that a thread loads

var<workgroup> left_tile: array<vec4<f16>, FOURS>;
var<workgroup> right_tile: array<vec4<f16>, FOURS>;
var<workgroup> stage: array<f32, 1024>;    // a matrix of each subgroup

alias LeftMatrix = subgroup_matrix_left<f16, 16, 16>;
alias RightMatrix = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

// What this thread has of the tile: fours of neighbouring columns, one of each row. multiply adds to them.
var<private> sums: array<vec4<f32>, SUMS>;

// Sum i is four i % 2 of a thread in the matrix i / 2 of its subgroup.
fn tile_row(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  let four = i % 2u * 32u + thread % 32u;
  return group.y * SIDE + thread / 64u * 64u + i / 8u * 16u + four / 4u;
}

// The first column of a four.
fn tile_column(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  let four = i % 2u * 32u + thread % 32u;
  return group.x * SIDE + thread / 32u % 2u * 64u + i / 2u % 4u * 16u + four % 4u * 4u;
}

fn load_left(m: Matrix, first: u32, k0: u32, K: u32, thread: u32) {
  for (var i = 0u; i < LOADS; i++) {
    let place = place_of(LEFT_ALONG_K == 1u, thread + i * 128u);
    let at = item_place(m, first + place.x) + k_place(m, k0 + place.y);
    var four = vec4<f16>();
    if (ALIGNED == 1u) {
      four = vec4<f16>(left_four(at));
    } else {
      four = vec4<f16>(vec4(left_element(at), left_element(at + 1u), left_element(at + 2u), left_element(at + 3u)));
    }
    left_tile[place.z] = select(vec4<f16>(), four, inside(LEFT_ALONG_K == 1u, k0 + place.y, K));
  }
}

fn load_right(m: Matrix, first: u32, k0: u32, K: u32, thread: u32) {
  for (var i = 0u; i < LOADS; i++) {
    let place = place_of(RIGHT_ALONG_K == 1u, thread + i * 128u);
    let at = item_place(m, first + place.x) + k_place(m, k0 + place.y);
    var four = vec4<f16>();
    if (ALIGNED == 1u) {
      four = vec4<f16>(right_four(at));
    } else {
      four = vec4<f16>(vec4(right_element(at), right_element(at + 1u), right_element(at + 2u), right_element(at + 3u)));
    }
    right_tile[place.z] = select(vec4<f16>(), four, inside(RIGHT_ALONG_K == 1u, k0 + place.y, K));
  }
}

// Item and k of four number n, and its place in the tile: fours lie in it as in the operand.
fn place_of(along_k: bool, n: u32) -> vec3<u32> {
  if (along_k) {
    let item = n / (DEPTH / 4u);
    let four = n % (DEPTH / 4u);
    return vec3(item, 4u * four, item * ALONG_K + four);
  }
  let k = n / (SIDE / 4u);
  let four = n % (SIDE / 4u);
  return vec3(4u * four, k, k * ALONG_ITEMS + four);
}

// Which elements of a four have a k: it runs along k or lies at one.
fn inside(along_k: bool, k: u32, K: u32) -> vec4<bool> {
  return select(vec4(k), vec4(k, k + 1u, k + 2u, k + 3u), along_k) < vec4(K);
}

// 16 rows of the left operand from `row` on, at 16 steps of k.
fn left_matrix(row: u32, k: u32) -> LeftMatrix {
  if (LEFT_ALONG_K == 1u) {
    return subgroupMatrixLoad<LeftMatrix, row_major>(&left_tile, row * ALONG_K + k / 4u, ALONG_K);
  }
  return subgroupMatrixLoad<LeftMatrix, col_major>(&left_tile, k * ALONG_ITEMS + row / 4u, ALONG_ITEMS);
}

fn right_matrix(column: u32, k: u32) -> RightMatrix {
  if (RIGHT_ALONG_K == 1u) {
    return subgroupMatrixLoad<RightMatrix, col_major>(&right_tile, column * ALONG_K + k / 4u, ALONG_K);
  }
  return subgroupMatrixLoad<RightMatrix, row_major>(&right_tile, k * ALONG_ITEMS + column / 4u, ALONG_ITEMS);
}

fn multiply(p: Product, group: vec3<u32>, thread: u32) {
  let row = thread / 64u * 64u;
  let column = thread / 32u % 2u * 64u;
  // Variables, written out: an array of them lies in memory.
  var s00: Sums;
  var s01: Sums;
  var s02: Sums;
  var s03: Sums;
  var s10: Sums;
  var s11: Sums;
  var s12: Sums;
  var s13: Sums;
  var s20: Sums;
  var s21: Sums;
  var s22: Sums;
  var s23: Sums;
  var s30: Sums;
  var s31: Sums;
  var s32: Sums;
  var s33: Sums;
  for (var k0 = 0u; k0 < p.K; k0 += DEPTH) {
    workgroupBarrier();
    load_left(p.left, group.y * SIDE, k0, p.K, thread);
    load_right(p.right, group.x * SIDE, k0, p.K, thread);
    workgroupBarrier();

    for (var k = 0u; k < DEPTH; k += 16u) {
      let row0 = left_matrix(row + 0u, k);
      let row1 = left_matrix(row + 16u, k);
      let row2 = left_matrix(row + 32u, k);
      let row3 = left_matrix(row + 48u, k);
      let column0 = right_matrix(column + 0u, k);
      let column1 = right_matrix(column + 16u, k);
      let column2 = right_matrix(column + 32u, k);
      let column3 = right_matrix(column + 48u, k);
      s00 = subgroupMatrixMultiplyAccumulate(row0, column0, s00);
      s01 = subgroupMatrixMultiplyAccumulate(row0, column1, s01);
      s02 = subgroupMatrixMultiplyAccumulate(row0, column2, s02);
      s03 = subgroupMatrixMultiplyAccumulate(row0, column3, s03);
      s10 = subgroupMatrixMultiplyAccumulate(row1, column0, s10);
      s11 = subgroupMatrixMultiplyAccumulate(row1, column1, s11);
      s12 = subgroupMatrixMultiplyAccumulate(row1, column2, s12);
      s13 = subgroupMatrixMultiplyAccumulate(row1, column3, s13);
      s20 = subgroupMatrixMultiplyAccumulate(row2, column0, s20);
      s21 = subgroupMatrixMultiplyAccumulate(row2, column1, s21);
      s22 = subgroupMatrixMultiplyAccumulate(row2, column2, s22);
      s23 = subgroupMatrixMultiplyAccumulate(row2, column3, s23);
      s30 = subgroupMatrixMultiplyAccumulate(row3, column0, s30);
      s31 = subgroupMatrixMultiplyAccumulate(row3, column1, s31);
      s32 = subgroupMatrixMultiplyAccumulate(row3, column2, s32);
      s33 = subgroupMatrixMultiplyAccumulate(row3, column3, s33);
    }
  }

  let own = thread / 32u * 256u;
  let lane = thread % 32u;
  add_matrix(0u, s00, own, lane);
  add_matrix(1u, s01, own, lane);
  add_matrix(2u, s02, own, lane);
  add_matrix(3u, s03, own, lane);
  add_matrix(4u, s10, own, lane);
  add_matrix(5u, s11, own, lane);
  add_matrix(6u, s12, own, lane);
  add_matrix(7u, s13, own, lane);
  add_matrix(8u, s20, own, lane);
  add_matrix(9u, s21, own, lane);
  add_matrix(10u, s22, own, lane);
  add_matrix(11u, s23, own, lane);
  add_matrix(12u, s30, own, lane);
  add_matrix(13u, s31, own, lane);
  add_matrix(14u, s32, own, lane);
  add_matrix(15u, s33, own, lane);
}

// Sums 2 i and 2 i + 1 of each thread of the subgroup, whose room in the stage begins at `own`.
fn add_matrix(i: u32, matrix: Sums, own: u32, lane: u32) {
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&stage, own, matrix, 16u);
  workgroupBarrier();
  sums[2u * i] += four_of_stage(own + 4u * lane);
  sums[2u * i + 1u] += four_of_stage(own + 4u * lane + 128u);
}

fn four_of_stage(at: u32) -> vec4<f32> {
  return vec4(stage[at], stage[at + 1u], stage[at + 2u], stage[at + 3u]);
}
