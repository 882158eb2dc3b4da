// common: operand-fours
// A tile of a product through workgroup memory: for real GPUs. The kernel binds its operands as left and right:
// array<Operand>.
//
// Method    per DEPTH = 16 steps of k: each thread has loaded a block of 4 items (rows of the left, columns of the right
//           operand) by 4 steps of k, and stores it by k, transposed in registers where it was read along k; while it
//           loads the next one it adds 16 outer products. With two buffers one barrier a round is enough
// Tiling    a workgroup owns TILE_ROWS rows × TILE_COLUMNS columns; a thread owns THREAD_ROWS × THREAD_COLUMNS outputs, 4 or
//           8 each: rows 4 y to 4 y + 3 and the same half a tile further down, columns alike. As many blocks as threads
// Numerics  f32, in the order of k. Past the last k both operands are 0: no Inf · 0 there. Past the last row or column a
//           thread loads what lies there, and its sums go nowhere
// Limits    ALIGNED: rows of both operands as they are stored, and so their starts, are multiples of four elements
//
// 4096³ in f32 on an H100 (driver 580.159, 65 TFLOP/s in a loop of fused multiply-adds), TFLOP/s:
//   64 × 64, 8 × 4 outputs, a loop over k, no loads ahead   27
//   128 × 128, 8 × 8 outputs, loads ahead                   33
//   the loop written out                                    37
//   two buffers                                             39
//   one block a thread, without a loop over blocks          41
// Bounds checks cost little this way: the place in a row of the tile does not change, and k is known when it compiles.

struct Product {
  M: u32,
  N: u32,
  K: u32,
  left: Matrix,
  right: Matrix,
}

const DEPTH = 16u;
const SUMS = THREAD_ROWS * THREAD_COLUMNS / 4u;
const SUM_FOURS = THREAD_COLUMNS / 4u;
const DOWN = TILE_ROWS / THREAD_ROWS;            // threads one below the other, a multiple of 4
const ACROSS = TILE_COLUMNS / THREAD_COLUMNS;    // threads side by side, a multiple of 8
const LEFT_FOURS = TILE_ROWS / 4u;
const FOURS = LEFT_FOURS + TILE_COLUMNS / 4u;

// By k: four rows of the left operand each, then four columns of the right one.
var<workgroup> tile: array<array<array<vec4<f32>, FOURS>, DEPTH>, BUFFERS>;

// What this thread has of the tile: fours of neighbouring columns, one of each row. multiply adds to them.
var<private> sums: array<vec4<f32>, SUMS>;

// The same while it multiplies, 4 × 4 each. Not an array: some drivers keep one in memory.
var<private> upper_left: mat4x4<f32>;
var<private> upper_right: mat4x4<f32>;
var<private> lower_left: mat4x4<f32>;
var<private> lower_right: mat4x4<f32>;

// A subgroup of 32 owns 4 × 8 places, so that few of its threads read different fours.
fn place_of(thread: u32) -> vec2<u32> {
  let subgroup = thread / 32u;
  let lane = thread % 32u;
  return vec2(subgroup % (ACROSS / 8u) * 8u + lane % 8u, subgroup / (ACROSS / 8u) * 4u + lane / 8u);
}

fn tile_row(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  let row = i / SUM_FOURS;
  return group.y * TILE_ROWS + row / 4u * (TILE_ROWS / 2u) + place_of(thread).y * 4u + row % 4u;
}

// The first column of a four.
fn tile_column(group: vec3<u32>, thread: u32, i: u32) -> u32 {
  return group.x * TILE_COLUMNS + i % SUM_FOURS * (TILE_COLUMNS / 2u) + place_of(thread).x * 4u;
}

// A block that a thread loads again and again, DEPTH steps of k further each time.
struct Block {
  is_left: bool,
  along_k: bool,      // its four runs of four elements are of one item each, else of one k
  items: vec4<u32>,   // places of its items, or of the first alone
  k: u32,             // first of its four, in the tile
  four: u32,          // in the rows of the tile
}

fn block_of(p: Product, group: vec3<u32>, number: u32) -> Block {
  const left_blocks = LEFT_FOURS * (DEPTH / 4u);
  let is_left = number < left_blocks;
  var m = p.right;
  var n = number - left_blocks;
  var fours = FOURS - LEFT_FOURS;
  var first = group.x * TILE_COLUMNS;
  var base = LEFT_FOURS;
  if (is_left) {
    m = p.left;
    n = number;
    fours = LEFT_FOURS;
    first = group.y * TILE_ROWS;
    base = 0u;
  }
  // Neighbouring threads load what lies side by side: 8 k of an item, or four items after four items.
  let along_k = is_along_k(m);
  var four = n % fours;
  var k = n / fours * 4u;
  if (along_k) {
    four = n / 2u % fours;
    k = (n / (2u * fours) * 2u + n % 2u) * 4u;
  }
  first += 4u * four;
  let items = vec4(
    item_place(m, first),
    item_place(m, first + 1u),
    item_place(m, first + 2u),
    item_place(m, first + 3u),
  );
  return Block(is_left, along_k, items, k, base + four);
}

fn load_block(p: Product, b: Block, k: u32) -> mat4x4<f32> {
  var runs = b.items;
  if (b.along_k) {
    runs += k + b.k;
  } else if (b.is_left) {
    runs = runs.x + k_places(p.left, k + b.k);
  } else {
    runs = runs.x + k_places(p.right, k + b.k);
  }
  return mat4x4(
    load_run(b.is_left, runs.x),
    load_run(b.is_left, runs.y),
    load_run(b.is_left, runs.z),
    load_run(b.is_left, runs.w),
  );
}

fn k_places(m: Matrix, k: u32) -> vec4<u32> {
  return vec4(k_place(m, k), k_place(m, k + 1u), k_place(m, k + 2u), k_place(m, k + 3u));
}

fn load_run(is_left: bool, at: u32) -> vec4<f32> {
  if (is_left) {
    if (ALIGNED == 1u) {
      return left_four(at);
    }
    return vec4(left_element(at), left_element(at + 1u), left_element(at + 2u), left_element(at + 3u));
  }
  if (ALIGNED == 1u) {
    return right_four(at);
  }
  return vec4(right_element(at), right_element(at + 1u), right_element(at + 2u), right_element(at + 3u));
}

// `inside` says how many steps of k there are from the tile's first one on.
fn store_block(b: Block, runs: mat4x4<f32>, buffer: u32, inside: u32) {
  var by_k = runs;
  if (b.along_k) {
    by_k = transpose(runs);
  }
  if (inside < DEPTH) {
    by_k = mat4x4(
      select(vec4(0.0), by_k[0], b.k < inside),
      select(vec4(0.0), by_k[1], b.k + 1u < inside),
      select(vec4(0.0), by_k[2], b.k + 2u < inside),
      select(vec4(0.0), by_k[3], b.k + 3u < inside),
    );
  }
  tile[buffer][b.k][b.four] = by_k[0];
  tile[buffer][b.k + 1u][b.four] = by_k[1];
  tile[buffer][b.k + 2u][b.four] = by_k[2];
  tile[buffer][b.k + 3u][b.four] = by_k[3];
}

// A constant, so that the sums stay in registers.
fn sum_count(p: Product) -> u32 {
  return SUMS;
}

fn multiply(p: Product, group: vec3<u32>, thread: u32) {
  let place = place_of(thread);
  let block = block_of(p, group, thread);
  var next = load_block(p, block, 0u);
  var buffer = 0u;
  if (BUFFERS == 2u) {
    store_block(block, next, 0u, p.K);
    workgroupBarrier();
  }

  for (var k = 0u; k < p.K; k += DEPTH) {
    if (BUFFERS == 1u) {
      workgroupBarrier();
      store_block(block, next, 0u, p.K - k);
      workgroupBarrier();
    }
    next = load_block(p, block, k + DEPTH);

    // Written out: as a loop they take a sixth longer.
    four_steps(buffer, 0u, place);
    four_steps(buffer, 4u, place);
    four_steps(buffer, 8u, place);
    four_steps(buffer, 12u, place);

    if (BUFFERS == 2u) {
      buffer = 1u - buffer;
      store_block(block, next, buffer, max(p.K, k + DEPTH) - k - DEPTH);
      workgroupBarrier();
    }
  }

  add_rows(0u, upper_left);
  if (THREAD_COLUMNS == 8u) {
    add_rows(1u, upper_right);
  }
  if (THREAD_ROWS == 8u) {
    add_rows(4u * SUM_FOURS, lower_left);
    if (THREAD_COLUMNS == 8u) {
      add_rows(4u * SUM_FOURS + 1u, lower_right);
    }
  }
}

fn four_steps(buffer: u32, k: u32, place: vec2<u32>) {
  multiply_step(buffer, k, place);
  multiply_step(buffer, k + 1u, place);
  multiply_step(buffer, k + 2u, place);
  multiply_step(buffer, k + 3u, place);
}

fn multiply_step(buffer: u32, k: u32, place: vec2<u32>) {
  let upper = tile[buffer][k][place.y];
  let left_columns = tile[buffer][k][LEFT_FOURS + place.x];
  upper_left += outer_product(upper, left_columns);
  if (THREAD_COLUMNS == 8u) {
    upper_right += outer_product(upper, tile[buffer][k][LEFT_FOURS + place.x + ACROSS]);
  }
  if (THREAD_ROWS == 8u) {
    let lower = tile[buffer][k][place.y + DOWN];
    lower_left += outer_product(lower, left_columns);
    if (THREAD_COLUMNS == 8u) {
      lower_right += outer_product(lower, tile[buffer][k][LEFT_FOURS + place.x + ACROSS]);
    }
  }
}

fn outer_product(column: vec4<f32>, row: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(column.x * row, column.y * row, column.z * row, column.w * row);
}

fn add_rows(first: u32, rows: mat4x4<f32>) {
  sums[first] += rows[0];
  sums[first + SUM_FOURS] += rows[1];
  sums[first + 2u * SUM_FOURS] += rows[2];
  sums[first + 3u * SUM_FOURS] += rows[3];
}
