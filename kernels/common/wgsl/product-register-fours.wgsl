// common: operand-fours, register-tile
// Operands of a product in registers, four elements at a time: they cost little more than one. Along k, a lane of a quad loads
// four steps of one of four rows, and gives them to its quad; across k, four rows of one of four steps.
//
// Limits    rows of both operands as they are stored, and so their starts, are multiples of four elements; columns of the
//           right operand across k lie side by side. LEFT_ALONG_K, RIGHT_ALONG_K: 1 where k is along those rows
//
// 512³ in f32, 16 × 4 of a thread, ms of CPU on a busy machine, the least and the median of seven:
//   lavapipe (8 lanes)      b as [N, K] 16.5, 18.3   [K, N] 16.9, 17.5   element by element 27.5, 28.2 and 23.4, 24.9
//   SwiftShader (4 lanes)   101, 116 and 101, 117, against 100, 106 and 95, 109: it keeps element by element
// Trials on lavapipe, where 16 × 4 took 17.1: 24 × 4 17.3, 32 × 4 19.1, 12 × 4 16.2, 16 × 8 16.5; four steps of the right operand
// alone loaded at once 17.7; eight lanes sharing rows of the left one instead of four, by broadcasts, 26 to 31.

fn k_order(lane: u32) -> vec4<u32> {
  return vec4(0u, 1u, 2u, 3u);
}

fn left_places(m: Matrix, row: u32, lane: u32) -> vec4<u32> {
  return vec4(item_place(m, row + select(0u, lane, LEFT_ALONG_K == 1u)));
}

fn left_step(m: Matrix, k: u32, lane: u32) -> u32 {
  return k_place(m, k + select(lane, 0u, LEFT_ALONG_K == 1u));
}

// Four steps of k of four rows; each row is a column of the matrix.
fn left_rows(at: vec4<u32>, inside: bool) -> mat4x4<f32> {
  let own = left_four(at.x);
  if (LEFT_ALONG_K == 1u) {
    return of_quad(own);
  }
  return transpose(of_quad(select(vec4(0.0), own, EXACT == 1u || inside)));
}

// What the lanes of a quad have.
fn of_quad(own: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(quadBroadcast(own, 0u), quadBroadcast(own, 1u), quadBroadcast(own, 2u), quadBroadcast(own, 3u));
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
  let own = k_place(m, k + lane);
  return vec4(quadBroadcast(own, 0u), quadBroadcast(own, 1u), quadBroadcast(own, 2u), quadBroadcast(own, 3u));
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
