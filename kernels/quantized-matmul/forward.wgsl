// common: activation, grid, quantized
// quantized-matmul/forward (webgpu)
// Math      y[r,n] = act(sum over k of x[r,k] w[n,k] + bias[n]); w = scale q
// Shapes    x [R,K] · weight [N,W] words, format.ts · bias [N] · y [R,N]
// Method    eight steps of K at a time: of each column a thread reads one word of 4 bits or two of 8, and of each row eight
//           elements
// Tiling    a thread owns 4 rows × 4 columns; neighbouring threads have neighbouring columns of the same rows
// Launch    grid (ceil(threads / WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32, sums of eights in order; stores round once
// Limits    without groups: forward-few.wgsl has those

struct Params {
  T: u32,
  R: u32,
  E: u32,
  N: u32,
  K: u32,
  W: u32,
  L: u32,
  bits: u32,
  group: u32,
  gather: u32,
  activation: u32,
  hasBias: u32,
  grouped: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;       // [R,K]
@group(0) @binding(1) var<storage, read> weight: array<u32>;    // [N,W]
@group(0) @binding(2) var<storage, read> bias: array<value>;    // [N]
@group(0) @binding(3) var<storage, read> lists: array<i32>;
@group(0) @binding(4) var<storage, read_write> y: array<value>; // [R,N]
@group(0) @binding(5) var<uniform> params: Params;

fn x_four(at: u32) -> vec4<f32> {
  return vec4(f32(x[at]), f32(x[at + 1u]), f32(x[at + 2u]), f32(x[at + 3u]));
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let p = params;
  let thread = folded_index(group, groups) * WORKGROUP + lane;
  let columns = (p.N + 3u) / 4u;
  let row = thread / columns * 4u;
  let column = thread % columns * 4u;
  if (row >= p.R) {
    return;
  }
  // Past the last one a row or column repeats it, and is not stored.
  let x_at = min(vec4(row) + vec4(0u, 1u, 2u, 3u), vec4(p.R - 1u)) * p.K;
  let w_at = min(vec4(column) + vec4(0u, 1u, 2u, 3u), vec4(p.N - 1u)) * p.W;
  var s0 = vec4(0.0);
  var s1 = vec4(0.0);
  var s2 = vec4(0.0);
  var s3 = vec4(0.0);
  for (var k = 0u; k < p.K; k += 8u) {
    let w0 = quantized_eight(w_at.x, p.K, k, p.group);
    let w1 = quantized_eight(w_at.y, p.K, k, p.group);
    let w2 = quantized_eight(w_at.z, p.K, k, p.group);
    let w3 = quantized_eight(w_at.w, p.K, k, p.group);
    let low = mat4x4(w0[0], w1[0], w2[0], w3[0]);
    let high = mat4x4(w0[1], w1[1], w2[1], w3[1]);
    s0 += x_four(x_at.x + k) * low + x_four(x_at.x + k + 4u) * high;
    s1 += x_four(x_at.y + k) * low + x_four(x_at.y + k + 4u) * high;
    s2 += x_four(x_at.z + k) * low + x_four(x_at.z + k + 4u) * high;
    s3 += x_four(x_at.w + k) * low + x_four(x_at.w + k + 4u) * high;
  }
  store_row(row, column, s0);
  store_row(row + 1u, column, s1);
  store_row(row + 2u, column, s2);
  store_row(row + 3u, column, s3);
}

fn store_row(row: u32, column: u32, sums: vec4<f32>) {
  if (row >= params.R) {
    return;
  }
  for (var j = 0u; j < min(4u, params.N - column); j++) {
    var sum = sums[j];
    if (params.hasBias == 1u) {
      sum += f32(bias[column + j]);
    }
    y[row * params.N + column + j] = value(activate(params.activation, sum));
  }
}
