// common: grid
// lora-matmul/merge (webgpu)
// Math      weight[n,k] += scale sum_r b[n,r] a[r,k]
// Shapes    weight [N,K] · a [R,K] · b [N,R]
// Tiling    a thread owns one element: the weight is read and written once, neighbours share b and read neighbours in a
// Launch    grid (N K / WORKGROUP) folded, WORKGROUP threads
// Numerics  f32; the weight is rounded once, so taking out again restores it within one rounding

struct Params {
  N: u32,
  K: u32,
  R: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read_write> weight: array<value>;  // [N,K]
@group(0) @binding(1) var<storage, read> a: array<value>;             // [R,K]
@group(0) @binding(2) var<storage, read> b: array<value>;             // [N,R]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= params.N * params.K) {
    return;
  }
  let n = i / params.K;
  let k = i % params.K;

  var sum = 0.0;
  for (var r = 0u; r < params.R; r++) {
    sum += f32(b[n * params.R + r]) * f32(a[r * params.K + k]);
  }
  weight[i] = value(f32(weight[i]) + params.scale * sum);
}
