// common: register-tile
// Operands of a product in registers, element by element. Of each row of the left operand a lane loads the element of one k
// and takes the other three from its quad by swaps: lane l has k = l, l ^ 1, l ^ 2, l ^ 3; of the right one it loads a 4 × 4
// block with its steps in that order.
//
// Of this file, 512³ in f32, EXACT, ms of CPU, the tenth percentile of a run on a busy machine:
//   SwiftShader   16 × 4 of a thread: 117   32 × 4: 110   16 × 8: 111   32 × 8: 98 to 104
//   lavapipe      16 × 4 (8 lanes, Zen 4): 23 to 25; rows as vectors with the edge of k masked, before: 22 to 24
// Trials on SwiftShader, where 32 × 8 took 96 to 98: without any load 82; fma 102, rows one by one 105, two fours of k in a
// round 99, the places of rows counted up 104; 64 × 8, rows one by one, 113.

// Of the arrays that a kernel binds its operands as.
alias Operand = value;

fn left_element(at: u32) -> f32 {
  return f32(left[at]);
}

fn k_order(lane: u32) -> vec4<u32> {
  return vec4(lane) ^ vec4(0u, 1u, 2u, 3u);
}

fn left_places(m: Matrix, row: u32, lane: u32) -> vec4<u32> {
  return four_places(m, row);
}

fn left_step(m: Matrix, k: u32, lane: u32) -> u32 {
  return k_place(m, k + lane);
}

fn right_places(m: Matrix, column: u32) -> vec4<u32> {
  return four_places(m, column);
}

fn right_steps(m: Matrix, k: u32, lane: u32) -> vec4<u32> {
  return of_quad(k_place(m, k + lane));
}

// Places of four items from `item` on.
fn four_places(m: Matrix, item: u32) -> vec4<u32> {
  return vec4(item_place(m, item), item_place(m, item + 1u), item_place(m, item + 2u), item_place(m, item + 3u));
}

// What the lanes of a quad have, in the order of their k.
fn of_quad(own: u32) -> vec4<u32> {
  return vec4(own, quadSwapX(own), quadSwapY(own), quadSwapDiagonal(own));
}

// Four steps of k, in the order of this lane, of four rows; each row is a column of the matrix.
fn left_rows(at: vec4<u32>, inside: bool) -> mat4x4<f32> {
  return mat4x4(
    left_steps(at.x, inside),
    left_steps(at.y, inside),
    left_steps(at.z, inside),
    left_steps(at.w, inside),
  );
}

// Of one row: the element that this lane loads, if it is inside, and those of its three neighbours.
fn left_steps(at: u32, inside: bool) -> vec4<f32> {
  let own = select(0.0, left_element(at), EXACT == 1u || inside);
  return vec4(own, quadSwapX(own), quadSwapY(own), quadSwapDiagonal(own));
}

// The same steps of four columns; each step is a column of the matrix.
fn right_block(at: vec4<u32>, steps: vec4<u32>, inside: vec4<bool>) -> mat4x4<f32> {
  return mat4x4(
    right_columns(at + steps.x, inside.x),
    right_columns(at + steps.y, inside.y),
    right_columns(at + steps.z, inside.z),
    right_columns(at + steps.w, inside.w),
  );
}

fn right_columns(at: vec4<u32>, inside: bool) -> vec4<f32> {
  let four = vec4(f32(right[at.x]), f32(right[at.y]), f32(right[at.z]), f32(right[at.w]));
  return select(vec4(0.0), four, EXACT == 1u || inside);
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
