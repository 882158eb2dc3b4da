// A tile of a product in registers: for adapters that run on the CPU, where a load costs as much as many multiply-adds,
// whatever its width, and a barrier more. The kernel defines left(at) and right(at), the elements of its operands.
//
// Method    four steps of k at a time. A thread loads a 4 × 4 block of the right operand. Of each row of the left one, a
//           lane loads the element of one k; the subgroup broadcasts all four: one load for four elements.
// Tiling    a workgroup owns TILE_ROWS rows × 4 THREADS columns; a thread owns four neighbouring columns of every row
// Numerics  f32, in the order of k, four products at a time. Past the last k both operands are 0: no Inf · 0 there
// Limits    subgroups of 4 lanes or more, the rows unrolled by the compiler
//
// What each step bought, 512³ in f32 on lavapipe (8 lanes, Zen 4), ms of CPU over all threads:
//   4 × 4 sums of a thread, every lane loads the row's element     83
//   16 × 4, the same                                              125
//   by subgroup broadcast  8 × 4: 47   16 × 4: 31 to 37   20 × 4: 42   24 × 4 spills: 67
//   the block as a matrix, one read and write of a sum per four k  26   (28 with the edge of k masked)

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

  for (var k = 0u; k < p.K; k += 4u) {
    let inside = k + four < vec4(p.K);
    let block = mat4x4(
      select(vec4(0.0), right_steps(right_at.x, p.right.step_k), inside),
      select(vec4(0.0), right_steps(right_at.y, p.right.step_k), inside),
      select(vec4(0.0), right_steps(right_at.z, p.right.step_k), inside),
      select(vec4(0.0), right_steps(right_at.w, p.right.step_k), inside),
    );
    for (var i = 0u; i < SUMS; i++) {
      let own = select(0.0, left(left_at + i * p.left.step), k + lane < p.K);
      let row = vec4(
        subgroupBroadcast(own, 0u),
        subgroupBroadcast(own, 1u),
        subgroupBroadcast(own, 2u),
        subgroupBroadcast(own, 3u),
      );
      sums[i] += row * block;
    }
    left_at += 4u * p.left.step_k;
    right_at += 4u * p.right.step_k;
  }
}

// Four steps of k of one column.
fn right_steps(at: u32, step: u32) -> vec4<f32> {
  return vec4(right(at), right(at + step), right(at + 2u * step), right(at + 3u * step));
}
