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
