// common: grid, quantized
// quantized-matmul/backward-input (webgpu)
// Math      dx[r,k] = sum over n of dy[r,n] w[e,n,k]; w = scale q, e the expert whose rows r is among
// Shapes    dy [R,N] · weight [E,N,W] words, format.ts · lists: offsets[E+1] | ... · dx [R,K]
// Tiling    a thread owns ROWS rows × 8 neighbouring elements of K: 4 rows, or 1 where each has an expert of its own
// Launch    grid (ceil(threads / WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32, n in order; stores round once
// Limits    rows past the last group become zeros

struct Params {
  R: u32,
  E: u32,
  N: u32,
  K: u32,
  W: u32,
  L: u32,
  bits: u32,
  group: u32,
  grouped: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;       // [R,N]
@group(0) @binding(1) var<storage, read> weight: array<u32>;     // [E,N,W]
@group(0) @binding(2) var<storage, read> lists: array<i32>;
@group(0) @binding(3) var<storage, read_write> dx: array<value>; // [R,K]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let p = params;
  let thread = folded_index(group, groups) * WORKGROUP + lane;
  let eights = p.K / 8u;
  let row = thread / eights * ROWS;
  let k = thread % eights * 8u;
  if (row >= p.R) {
    return;
  }
  var expert = 0u;
  if (p.grouped == 1u) {
    expert = expert_of(row, p.E);
  }
  var low: array<vec4<f32>, ROWS>;
  var high: array<vec4<f32>, ROWS>;
  if (expert < p.E) {
    for (var n = 0u; n < p.N; n++) {
      let w = quantized_eight((expert * p.N + n) * p.W, p.K, k, p.group);
      for (var i = 0u; i < ROWS; i++) {
        let d = f32(dy[min(row + i, p.R - 1u) * p.N + n]);
        low[i] += d * w[0];
        high[i] += d * w[1];
      }
    }
  }
  for (var i = 0u; i < min(ROWS, p.R - row); i++) {
    let at = (row + i) * p.K + k;
    for (var j = 0u; j < 4u; j++) {
      dx[at + j] = value(low[i][j]);
      dx[at + 4u + j] = value(high[i][j]);
    }
  }
}
