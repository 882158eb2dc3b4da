// Two products of a workgroup of 8 x 8 threads over tiles of 32 x 32, for the tiled kernels of kernels/attention. Thread
// (x, y) owns rows 4 y .. 4 y + 3 and columns 4 x .. 4 x + 3 of a result: a matrix whose columns are the tile's columns.
// Tiles lie in workgroup memory as vectors of four neighbouring rows or columns; those that are written across have a
// pitch of nine, so that the writes of neighbours fall on different banks.

const THREADS = 64u;
const TILE = 32u;
const PITCH = 9u;

var<workgroup> left: array<vec4<f32>, CHUNK * PITCH>;    // [d][four rows]
var<workgroup> right: array<vec4<f32>, CHUNK * PITCH>;   // [d][four columns]
var<workgroup> inner: array<vec4<f32>, TILE * PITCH>;    // [inner][four rows]
var<workgroup> outer_columns: array<vec4<f32>, 256>;     // [inner][four columns of 32]

// Sum over d < count of left × right.
fn multiply_chunk(thread: vec2<u32>, count: u32) -> mat4x4<f32> {
  var sum = mat4x4<f32>();
  for (var d = 0u; d < count; d++) {
    sum += outer(left[d * PITCH + thread.y], right[d * PITCH + thread.x]);
  }
  return sum;
}

// Sum over n < count of inner × outer_columns.
fn multiply_tile(thread: vec2<u32>, count: u32) -> mat4x4<f32> {
  var sum = mat4x4<f32>();
  for (var n = 0u; n < count; n++) {
    sum += outer(inner[n * PITCH + thread.y], outer_columns[n * 8u + thread.x]);
  }
  return sum;
}

// Hands columns 4 x .. 4 x + 3 of the result to all as the left side of `multiply_tile`.
fn store_inner(thread: vec2<u32>, tile: mat4x4<f32>) {
  for (var c = 0u; c < 4u; c++) {
    inner[(4u * thread.x + c) * PITCH + thread.y] = tile[c];
  }
}
