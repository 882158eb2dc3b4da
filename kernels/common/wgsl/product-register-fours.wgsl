// common: operand-fours, register-tile
// A product in registers where subgroups have eight lanes or more, four elements of an operand at a time: they cost little more
// than one. Along k, each of eight lanes loads four steps of one of eight rows; across k, four rows of one of four steps, the
// lanes behind the first four those of the next four rows. Shuffles from a constant lane give them to all: one instruction
// each. All loads of a round come before its products, whose sums a load would put into memory and fetch from it.
//
// Limits    rows of both operands as they are stored, and so their starts, are multiples of four elements; columns of the
//           right operand across k lie side by side. LEFT_ALONG_K, RIGHT_ALONG_K: 1 where k is along those rows;
//           TILE_COLUMNS is 4 THREADS
//
// 512³ in f32 on lavapipe (Zen 4, 8 lanes), ms of CPU on a busy machine: 10.4 to 10.9; by quads that share rows, in tiles of
// 16 rows, 16.5. Of that, 57 % is loads, each of which llvmpipe makes a branch and a check of bounds for every lane and element,
// and 40 % products, which it does not fuse. Trials in a kernel of its own: 32 rows 9.0, 24 rows 9.6, 16 rows 10.9, 40 and 48
// rows 10.4, 64 rows 10.3, 32 × 8 of a thread 12.0; products between loads 11.2; two fours of k in a round 14 to 18; fma 11.7.

fn multiply(p: Product, group: vec3<u32>, thread: u32) {
  let lane = subgroupExclusiveAdd(1u) % 8u;
  let row = tile_row(group, thread, 0u);
  let rows0 = left_place(p.left, row + 0u, lane);
  let rows1 = left_place(p.left, row + 8u, lane);
  let rows2 = left_place(p.left, row + 16u, lane);
  let rows3 = left_place(p.left, row + 24u, lane);
  let columns = right_places(p.right, tile_column(group, thread, 0u));

  // Only by indices that do not vary: in registers.
  var s = array<vec4<f32>, 32>();
  for (var k = 0u; k < p.K; k += 4u) {
    let left_k = left_step(p.left, k, lane);
    let left_inside = LEFT_ALONG_K == 1u || EXACT == 1u || k + lane % 4u < p.K;
    let block = right_block(columns, right_steps(p.right, k, lane), k + vec4(0u, 1u, 2u, 3u) < vec4(p.K));
    let a0 = select(vec4(0.0), left_four(rows0 + left_k), left_inside);
    let a1 = select(vec4(0.0), left_four(rows1 + left_k), left_inside);
    var a2 = vec4(0.0);
    var a3 = vec4(0.0);
    if (TILE_ROWS == 32u) {
      a2 = select(vec4(0.0), left_four(rows2 + left_k), left_inside);
      a3 = select(vec4(0.0), left_four(rows3 + left_k), left_inside);
    }
    add_rows(&s, 0u, block, a0);
    add_rows(&s, 8u, block, a1);
    if (TILE_ROWS == 32u) {
      add_rows(&s, 16u, block, a2);
      add_rows(&s, 24u, block, a3);
    }
  }
  for (var i = 0u; i < sum_count(p); i++) {
    sums[i] += s[i];
  }
}

// The products of the eight rows that lanes have. One row after the other: the elements of more would not stay in registers.
fn add_rows(s: ptr<function, array<vec4<f32>, 32>>, first: u32, block: mat4x4<f32>, own: vec4<f32>) {
  s[first] += block * left_row(own, 0u);
  s[first + 1u] += block * left_row(own, 1u);
  s[first + 2u] += block * left_row(own, 2u);
  s[first + 3u] += block * left_row(own, 3u);
  s[first + 4u] += block * left_row(own, 4u);
  s[first + 5u] += block * left_row(own, 5u);
  s[first + 6u] += block * left_row(own, 6u);
  s[first + 7u] += block * left_row(own, 7u);
}

// Of the eight rows from `row` on, where this lane begins.
fn left_place(m: Matrix, row: u32, lane: u32) -> u32 {
  return item_place(m, row + select(lane / 4u * 4u, lane, LEFT_ALONG_K == 1u));
}

fn left_step(m: Matrix, k: u32, lane: u32) -> u32 {
  return k_place(m, k + select(lane % 4u, 0u, LEFT_ALONG_K == 1u));
}

// Four steps of k of one of the eight rows that lanes have.
fn left_row(own: vec4<f32>, row: u32) -> vec4<f32> {
  if (LEFT_ALONG_K == 1u) {
    return subgroupShuffle(own, row);
  }
  let element = own[row % 4u];
  let first = row / 4u * 4u;
  return vec4(
    subgroupShuffle(element, first),
    subgroupShuffle(element, first + 1u),
    subgroupShuffle(element, first + 2u),
    subgroupShuffle(element, first + 3u),
  );
}

fn right_places(m: Matrix, column: u32) -> vec4<u32> {
  if (RIGHT_ALONG_K == 1u) {
    return vec4(item_place(m, column), item_place(m, column + 1u), item_place(m, column + 2u), item_place(m, column + 3u));
  }
  return vec4(item_place(m, column));
}

fn right_steps(m: Matrix, k: u32, lane: u32) -> vec4<u32> {
  if (RIGHT_ALONG_K == 1u) {
    return vec4(k_place(m, k));
  }
  let own = k_place(m, k + lane % 4u);
  return vec4(subgroupShuffle(own, 0u), subgroupShuffle(own, 1u), subgroupShuffle(own, 2u), subgroupShuffle(own, 3u));
}

// The same steps of four columns; each step is a column of the matrix.
fn right_block(columns: vec4<u32>, steps: vec4<u32>, inside: vec4<bool>) -> mat4x4<f32> {
  let at = columns + steps;
  let fours = mat4x4(right_four(at.x), right_four(at.y), right_four(at.z), right_four(at.w));
  if (RIGHT_ALONG_K == 1u) {
    return transpose(fours);
  }
  if (EXACT == 1u) {
    return fours;
  }
  return mat4x4(
    select(vec4(0.0), fours[0], inside.x),
    select(vec4(0.0), fours[1], inside.y),
    select(vec4(0.0), fours[2], inside.z),
    select(vec4(0.0), fours[3], inside.w),
  );
}
