// common: grid, rank
// lora-matmul/backward-input, first launch (webgpu)
// Math      g[t,r] = scale sum_n dy[t,n] b[n,r]
// Shapes    dy [T,N] · b [N,R] · g [T,R]
// Method    common/wgsl/rank.wgsl
// Launch    grid (T) folded, WORKGROUP threads, 8 or more
// Numerics  f32 sums; g rounds once

struct Params {
  T: u32,
  N: u32,
  K: u32,
  R: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  hasDx: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;       // [T,N]
@group(0) @binding(1) var<storage, read> b: array<value>;        // [N,R]
@group(0) @binding(2) var<storage, read_write> g: array<value>;  // [T,R]
@group(0) @binding(3) var<uniform> params: Params;

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
  multiply_row(t, params.N, params.R, lane);
}

fn wide_four(at: u32) -> vec4<f32> {
  return vec4<f32>(vec4(dy[at], dy[at + 1u], dy[at + 2u], dy[at + 3u]));
}

fn narrow(r: u32, n: u32) -> f32 {
  return f32(b[n * params.R + r]);
}

fn store_rank(at: u32, sum: f32) {
  g[at] = value(params.scale * sum);
}
