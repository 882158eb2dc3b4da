// A tile of a product in registers: for adapters that run on the CPU, where a load costs as much as many multiply-adds,
// whatever its width, and a barrier more. The kernel binds its operands as left and right: array<Operand>.
//
// Method    four steps of k at a time. Of each row of the left operand a lane loads the element of one k and takes the
//           other three from its quad by swaps: lane l has k = l, l ^ 1, l ^ 2, l ^ 3. A thread loads a 4 × 4 block of the
//           right operand with its rows in that order
// Tiling    a workgroup owns TILE_ROWS rows × 4 THREADS columns; a thread owns four neighbouring columns of every row
// Numerics  f32, fours of k in order, the order within a four by lane. Past the last k both operands are 0: no Inf · 0 there
// Limits    subgroups of 4 lanes or more; TILE_ROWS is 16 or 32
//
// What each step bought, 512³ in f32 on lavapipe (8 lanes, Zen 4), ms of CPU over all threads:
//   4 × 4 sums of a thread, every lane loads the row's element     83
//   16 × 4, the same                                              125
//   by subgroup broadcast  8 × 4: 47   16 × 4: 31 to 37   20 × 4: 42   24 × 4 spills: 67
//   the block as a matrix, one read and write of a sum per four k  26   (28 with the edge of k masked)
// The rows are written out, since SwiftShader (4 lanes) unrolls no loop. There every load gathers lane by lane, and a
// broadcast takes three times a swap. Trials of this loop with constant sizes, the least ms of CPU on a busy machine:
//   operands bound as vec4, elements by a varying index           169 to 195
//   as elements                                                   148
//   swaps instead of broadcasts, the block permuted by selects    129 to 132
//   the block loaded in that order                                124
//   32 rows: fewer loads of the right operand for each product    100   (on lavapipe 16 rows stay: 32 were not compared alike)

// Of the arrays that a kernel binds its operands as.
alias Operand = value;

struct Matrix {
  start: u32,      // place of the element (0, 0)
  step: u32,       // from an item (row of the left, column of the right operand) to the next
  step_k: u32,     // from a k to the next
}

struct Product {
  M: u32,
  N: u32,
  K: u32,
  left: Matrix,
  right: Matrix,
}

const SUMS = TILE_ROWS;
// Where the rows from 16 on are in sums; where there are none, an index that is none too large.
const LOWER = TILE_ROWS - 16u;

// What this thread has of the tile: fours of neighbouring columns, one of each row. multiply adds to them.
var<private> sums: array<vec4<f32>, SUMS>;

fn tile_row(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  return group.y * TILE_ROWS + i;
}

// The first column of a four.
fn tile_column(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  return group.x * TILE_COLUMNS + 4u * thread;
}

fn multiply(p: Product, group: vec3<u32>, thread: u32) {
  let lane = subgroupExclusiveAdd(1u) % 4u;
  let order = vec4(lane) ^ vec4(0u, 1u, 2u, 3u);
  let steps = order * p.right.step_k;
  var left_at = p.left.start + tile_row(group, thread, 0u) * p.left.step + lane * p.left.step_k;
  var right_at = p.right.start + (tile_column(group, thread, 0u) + vec4(0u, 1u, 2u, 3u)) * p.right.step;

  var s0 = sums[0u];
  var s1 = sums[1u];
  var s2 = sums[2u];
  var s3 = sums[3u];
  var s4 = sums[4u];
  var s5 = sums[5u];
  var s6 = sums[6u];
  var s7 = sums[7u];
  var s8 = sums[8u];
  var s9 = sums[9u];
  var s10 = sums[10u];
  var s11 = sums[11u];
  var s12 = sums[12u];
  var s13 = sums[13u];
  var s14 = sums[14u];
  var s15 = sums[15u];
  var s16 = sums[LOWER + 0u];
  var s17 = sums[LOWER + 1u];
  var s18 = sums[LOWER + 2u];
  var s19 = sums[LOWER + 3u];
  var s20 = sums[LOWER + 4u];
  var s21 = sums[LOWER + 5u];
  var s22 = sums[LOWER + 6u];
  var s23 = sums[LOWER + 7u];
  var s24 = sums[LOWER + 8u];
  var s25 = sums[LOWER + 9u];
  var s26 = sums[LOWER + 10u];
  var s27 = sums[LOWER + 11u];
  var s28 = sums[LOWER + 12u];
  var s29 = sums[LOWER + 13u];
  var s30 = sums[LOWER + 14u];
  var s31 = sums[LOWER + 15u];
  for (var k = 0u; k < p.K; k += 4u) {
    let inside = k + order < vec4(p.K);
    let block = mat4x4(
      right_steps(right_at.x, steps, inside),
      right_steps(right_at.y, steps, inside),
      right_steps(right_at.z, steps, inside),
      right_steps(right_at.w, steps, inside),
    );
    let own = inside.x;
    s0 += left_steps(left_at, own) * block;
    s1 += left_steps(left_at + 1u * p.left.step, own) * block;
    s2 += left_steps(left_at + 2u * p.left.step, own) * block;
    s3 += left_steps(left_at + 3u * p.left.step, own) * block;
    s4 += left_steps(left_at + 4u * p.left.step, own) * block;
    s5 += left_steps(left_at + 5u * p.left.step, own) * block;
    s6 += left_steps(left_at + 6u * p.left.step, own) * block;
    s7 += left_steps(left_at + 7u * p.left.step, own) * block;
    s8 += left_steps(left_at + 8u * p.left.step, own) * block;
    s9 += left_steps(left_at + 9u * p.left.step, own) * block;
    s10 += left_steps(left_at + 10u * p.left.step, own) * block;
    s11 += left_steps(left_at + 11u * p.left.step, own) * block;
    s12 += left_steps(left_at + 12u * p.left.step, own) * block;
    s13 += left_steps(left_at + 13u * p.left.step, own) * block;
    s14 += left_steps(left_at + 14u * p.left.step, own) * block;
    s15 += left_steps(left_at + 15u * p.left.step, own) * block;
    if (TILE_ROWS == 32u) {
      s16 += left_steps(left_at + 16u * p.left.step, own) * block;
      s17 += left_steps(left_at + 17u * p.left.step, own) * block;
      s18 += left_steps(left_at + 18u * p.left.step, own) * block;
      s19 += left_steps(left_at + 19u * p.left.step, own) * block;
      s20 += left_steps(left_at + 20u * p.left.step, own) * block;
      s21 += left_steps(left_at + 21u * p.left.step, own) * block;
      s22 += left_steps(left_at + 22u * p.left.step, own) * block;
      s23 += left_steps(left_at + 23u * p.left.step, own) * block;
      s24 += left_steps(left_at + 24u * p.left.step, own) * block;
      s25 += left_steps(left_at + 25u * p.left.step, own) * block;
      s26 += left_steps(left_at + 26u * p.left.step, own) * block;
      s27 += left_steps(left_at + 27u * p.left.step, own) * block;
      s28 += left_steps(left_at + 28u * p.left.step, own) * block;
      s29 += left_steps(left_at + 29u * p.left.step, own) * block;
      s30 += left_steps(left_at + 30u * p.left.step, own) * block;
      s31 += left_steps(left_at + 31u * p.left.step, own) * block;
    }
    left_at += 4u * p.left.step_k;
    right_at += 4u * p.right.step_k;
  }
  if (TILE_ROWS == 32u) {
    sums[LOWER + 0u] = s16;
    sums[LOWER + 1u] = s17;
    sums[LOWER + 2u] = s18;
    sums[LOWER + 3u] = s19;
    sums[LOWER + 4u] = s20;
    sums[LOWER + 5u] = s21;
    sums[LOWER + 6u] = s22;
    sums[LOWER + 7u] = s23;
    sums[LOWER + 8u] = s24;
    sums[LOWER + 9u] = s25;
    sums[LOWER + 10u] = s26;
    sums[LOWER + 11u] = s27;
    sums[LOWER + 12u] = s28;
    sums[LOWER + 13u] = s29;
    sums[LOWER + 14u] = s30;
    sums[LOWER + 15u] = s31;
  }
  sums[0u] = s0;
  sums[1u] = s1;
  sums[2u] = s2;
  sums[3u] = s3;
  sums[4u] = s4;
  sums[5u] = s5;
  sums[6u] = s6;
  sums[7u] = s7;
  sums[8u] = s8;
  sums[9u] = s9;
  sums[10u] = s10;
  sums[11u] = s11;
  sums[12u] = s12;
  sums[13u] = s13;
  sums[14u] = s14;
  sums[15u] = s15;
}

// Four steps of k of one row: the element that this lane loads, if it is inside, and those of its three neighbours.
fn left_steps(at: u32, inside: bool) -> vec4<f32> {
  let own = select(0.0, f32(left[at]), inside);
  return vec4(own, quadSwapX(own), quadSwapY(own), quadSwapDiagonal(own));
}

// The same steps of one column.
fn right_steps(at: u32, steps: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
  let four = vec4(
    f32(right[at + steps.x]),
    f32(right[at + steps.y]),
    f32(right[at + steps.z]),
    f32(right[at + steps.w]),
  );
  return select(vec4(0.0), four, inside);
}
