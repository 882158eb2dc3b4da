// A tile of a product in registers: for adapters that run on the CPU, where a load costs as much as many multiply-adds,
// whatever its width, and a barrier more. The kernel defines left(at) and right(at), the elements of its operands.
//
// Method    four steps of k at a time. A thread loads a 4 × 4 block of the right operand. Of each row of the left one, a
//           lane loads the element of one k; the subgroup broadcasts all four: one load for four elements.
// Tiling    a workgroup owns TILE_ROWS rows × 4 THREADS columns; a thread owns four neighbouring columns of every row
// Numerics  f32, in the order of k, four products at a time. Past the last k both operands are 0: no Inf · 0 there
// Limits    subgroups of 4 lanes or more; TILE_ROWS is 16
//
// What each step bought, 512³ in f32 on lavapipe (8 lanes, Zen 4), ms of CPU over all threads:
//   4 × 4 sums of a thread, every lane loads the row's element     83
//   16 × 4, the same                                              125
//   by subgroup broadcast  8 × 4: 47   16 × 4: 31 to 37   20 × 4: 42   24 × 4 spills: 67
//   the block as a matrix, one read and write of a sum per four k  26   (28 with the edge of k masked)
// The rows are written out, since SwiftShader unrolls no loop: 512³ in Chromium 282 to 194 ms of CPU, on lavapipe 35 to 40.

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
  let four = vec4(0u, 1u, 2u, 3u);
  var left_at = p.left.start + tile_row(group, thread, 0u) * p.left.step + lane * p.left.step_k;
  var right_at = p.right.start + (tile_column(group, thread, 0u) + four) * p.right.step;

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
  for (var k = 0u; k < p.K; k += 4u) {
    let inside = k + four < vec4(p.K);
    let block = mat4x4(
      select(vec4(0.0), right_steps(right_at.x, p.right.step_k), inside),
      select(vec4(0.0), right_steps(right_at.y, p.right.step_k), inside),
      select(vec4(0.0), right_steps(right_at.z, p.right.step_k), inside),
      select(vec4(0.0), right_steps(right_at.w, p.right.step_k), inside),
    );
    let own = k + lane < p.K;
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
    left_at += 4u * p.left.step_k;
    right_at += 4u * p.right.step_k;
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
  let own = select(0.0, left(at), inside);
  return vec4(
    subgroupBroadcast(own, 0u),
    subgroupBroadcast(own, 1u),
    subgroupBroadcast(own, 2u),
    subgroupBroadcast(own, 3u),
  );
}

// Four steps of k of one column.
fn right_steps(at: u32, step: u32) -> vec4<f32> {
  return vec4(right(at), right(at + step), right(at + 2u * step), right(at + 3u * step));
}
