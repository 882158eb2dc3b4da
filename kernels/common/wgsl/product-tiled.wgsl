// A tile of a product through workgroup memory: for real GPUs. The kernel defines left(at), left_four(at), right(at) and
// right_four(at): an element of an operand, and four from a multiple of four on.
//
// Method    per 16 steps of k: each thread loads a 4 × 4 block, threads 0 to 63 of the left operand, the others of the
//           right one, and stores it by k; barrier; 16 outer products of 8 by 4; barrier. A block that lies inside and
//           aligned is four loads of four elements, transposed in registers where they run along k; any other, one by one
// Tiling    a workgroup of 128 threads, 16 × 8, owns 64 rows × 64 columns; a thread owns rows 4 y to 4 y + 3, the same 32
//           further down, and columns 4 x to 4 x + 3. Workgroup memory 2 · 16 · 64 · 4 = 8 KiB
// Numerics  f32, in the order of k
// Limits    none: the default limits of WebGPU suffice
//
// Not yet measured on a GPU. On lavapipe, where barriers are dear, 512³ takes 120 ms of CPU; compiling, 4.2 s with an
// inner loop of constant length and each load guarded, takes 1.7 s as it is.

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

const DEPTH = 16u;
const FOURS = TILE_COLUMNS / 4u;
const SUMS = 8u;

var<workgroup> left_tile: array<vec4<f32>, DEPTH * FOURS>;   // [k][row / 4]
var<workgroup> right_tile: array<vec4<f32>, DEPTH * FOURS>;  // [k][column / 4]

// What this thread has of the tile: fours of neighbouring columns, one of each row. multiply adds to them.
var<private> sums: array<vec4<f32>, SUMS>;

fn tile_row(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  return group.y * TILE_ROWS + i / 4u * (TILE_ROWS / 2u) + thread / FOURS * 4u + i % 4u;
}

// The first column of a four.
fn tile_column(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  return group.x * TILE_COLUMNS + thread % FOURS * 4u;
}

fn multiply(p: Product, group: vec3<u32>, thread: u32) {
  let is_left = thread < THREADS / 2u;
  var matrix = p.right;
  var items = p.N;
  var first = group.x * TILE_COLUMNS;
  if (is_left) {
    matrix = p.left;
    items = p.M;
    first = group.y * TILE_ROWS;
  }
  // Neighbouring threads load along the contiguous direction.
  let along_k = matrix.step_k == 1u;
  let number = thread % (THREADS / 2u);
  let item = select(number % FOURS, number / (DEPTH / 4u), along_k);
  let step = 4u * select(number / FOURS, number % (DEPTH / 4u), along_k);
  let x = thread % FOURS;
  let y = thread / FOURS;

  // Variables, not elements of an array: some drivers keep an array in memory.
  var s0 = vec4<f32>();
  var s1 = vec4<f32>();
  var s2 = vec4<f32>();
  var s3 = vec4<f32>();
  var s4 = vec4<f32>();
  var s5 = vec4<f32>();
  var s6 = vec4<f32>();
  var s7 = vec4<f32>();
  for (var k0 = 0u; k0 < p.K; k0 += DEPTH) {
    let block = load_block(is_left, matrix, first + 4u * item, items, k0 + step, p.K);
    for (var c = 0u; c < 4u; c++) {
      let at = (step + c) * FOURS + item;
      if (is_left) {
        left_tile[at] = block[c];
      } else {
        right_tile[at] = block[c];
      }
    }
    workgroupBarrier();

    for (var k = 0u; k < min(DEPTH, p.K - k0); k++) {
      let right_row = right_tile[k * FOURS + x];
      let upper = left_tile[k * FOURS + y];
      let lower = left_tile[k * FOURS + FOURS / 2u + y];
      s0 += upper.x * right_row;
      s1 += upper.y * right_row;
      s2 += upper.z * right_row;
      s3 += upper.w * right_row;
      s4 += lower.x * right_row;
      s5 += lower.y * right_row;
      s6 += lower.z * right_row;
      s7 += lower.w * right_row;
    }
    workgroupBarrier();
  }
  sums[0] += s0;
  sums[1] += s1;
  sums[2] += s2;
  sums[3] += s3;
  sums[4] += s4;
  sums[5] += s5;
  sums[6] += s6;
  sums[7] += s7;
}

// Items `item` to `item` + 3 at k to k + 3, zeros past the edges: a column for each k.
fn load_block(is_left: bool, m: Matrix, item: u32, items: u32, k: u32, K: u32) -> mat4x4<f32> {
  let along_k = m.step_k == 1u;
  let at = m.start + item * m.step + k * m.step_k;
  let step = select(m.step_k, m.step, along_k);
  if (item + 4u <= items && k + 4u <= K && (at | step) % 4u == 0u) {
    // Along k, one run for each item; else along the items, one for each k.
    let runs = mat4x4(
      load_four(is_left, at),
      load_four(is_left, at + step),
      load_four(is_left, at + 2u * step),
      load_four(is_left, at + 3u * step),
    );
    if (along_k) {
      return transpose(runs);
    }
    return runs;
  }

  var block = mat4x4<f32>();
  for (var i = item; i < min(item + 4u, items); i++) {
    for (var j = k; j < min(k + 4u, K); j++) {
      block[j - k][i - item] = load_one(is_left, m.start + i * m.step + j * m.step_k);
    }
  }
  return block;
}

fn load_four(is_left: bool, at: u32) -> vec4<f32> {
  if (is_left) {
    return left_four(at);
  }
  return right_four(at);
}

fn load_one(is_left: bool, at: u32) -> f32 {
  if (is_left) {
    return left(at);
  }
  return right(at);
}
