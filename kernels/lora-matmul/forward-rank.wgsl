// common: grid, philox, rank
// lora-matmul/forward, first launch (webgpu)
// Math      h[t,r] = sum_k drop(x)[t,k] a[r,k]
// Shapes    x [T,K] · a [R,K] · random [4] u32 · h [T,R]
// Method    common/wgsl/rank.wgsl, the mask made where x is read
// Launch    grid (T) folded, WORKGROUP threads, 8 or more
// Numerics  f32 sums; h rounds once. The mask is that of dropout on x, element t * K + k

struct Params {
  T: u32,
  N: u32,
  K: u32,
  R: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  hasBias: u32,
  TFirst: u32,
  TWhole: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;        // [T,K]
@group(0) @binding(1) var<storage, read> a: array<value>;        // [R,K]
@group(0) @binding(2) var<uniform> random: vec4<u32>;            // [4]
@group(0) @binding(3) var<storage, read_write> h: array<value>;  // [T,R]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = folded_index(group, groups);
  if (t >= params.T) {
    return;
  }
  multiply_row(t, params.K, params.R, lane);
}

fn wide_four(at: u32) -> vec4<f32> {
  let four = vec4<f32>(vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]));
  if (params.dropout == 0.0) {
    return four;
  }
  return four * dropout_factors(params.TFirst * params.K + at, params.sequence, random, params.dropout);
}

fn narrow(r: u32, k: u32) -> f32 {
  return f32(a[r * params.K + k]);
}

fn store_rank(at: u32, sum: f32) {
  h[at] = value(sum);
}
