// common: grid, routing
// token-permute/combine (webgpu)
// Math      y[t] = sum_k weights[t,k] x[row of (t,k)] (+ what was there); a dropped choice adds nothing; without weights they
//           are 1
// Shapes    x [R,C] · weights [T,K] f32 · lists [L] i32 · y [T,C]
// Tiling    a thread owns an element of y
// Launch    grid (T C / WORKGROUP) folded, WORKGROUP threads
// Numerics  f32, choices in order, from what was there on; y rounds once
// Limits    R C below 2^32; x and y each within one binding

struct Params {
  T: u32,
  E: u32,
  K: u32,
  R: u32,
  C: u32,
  L: u32,
  accumulate: u32,
  hasWeights: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;        // [R,C]
@group(0) @binding(1) var<storage, read> weights: array<f32>;    // [T,K]
@group(0) @binding(2) var<storage, read> lists: array<i32>;      // [L]
@group(0) @binding(3) var<storage, read_write> y: array<value>;  // [T,C]
@group(0) @binding(4) var<uniform> params: Params;

fn expert_count() -> u32 {
  return params.E;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  let t = i / params.C;
  if (t >= params.T) {
    return;
  }
  let column = i % params.C;

  var sum = 0.0;
  if (params.accumulate == 1u) {
    sum = f32(y[i]);
  }
  for (var choice = t * params.K; choice < (t + 1u) * params.K; choice++) {
    let row = position_of(choice);
    if (row < 0) {
      continue;
    }
    var weight = 1.0;
    if (params.hasWeights == 1u) {
      weight = weights[choice];
    }
    sum += weight * f32(x[u32(row) * params.C + column]);
  }
  y[i] = value(sum);
}
