// common: grid, reduce, routing
// grouped-gemm/backward-activation, last launch (webgpu)
// Math      for choice i of token t, of expert e and grouped row r: dweights[i] = sum over q of dots[r,q] + sum over c of
//           dout[t,c] bias[e,c]; zero where it was dropped
// Shapes    dout [T,C] · bias [E,C] · lists [L] i32 · dweights [W] f32 · dots [R, ceil(O / 4)] f32
// Tiling    a workgroup owns a choice; a thread every WORKGROUP-th column
// Launch    grid (W) folded, WORKGROUP threads
// Numerics  f32, in an order of the sizes and WORKGROUP

struct Params {
  T: u32,
  R: u32,
  E: u32,
  N: u32,
  C: u32,
  L: u32,
  W: u32,
  transposed: u32,
  choices: u32,
  O: u32,
  activation: u32,
  gated: u32,
  hasBias: u32,
}

@group(0) @binding(0) var<storage, read> dout: array<value>;         // [T,C]
@group(0) @binding(1) var<storage, read> bias: array<value>;         // [E,C]
@group(0) @binding(2) var<storage, read> lists: array<i32>;          // [L]
@group(0) @binding(3) var<storage, read_write> dweights: array<f32>; // [W]
@group(0) @binding(4) var<storage, read_write> dots: array<f32>;  // [R, ceil(O / 4)], only read
@group(0) @binding(5) var<uniform> params: Params;

fn expert_count() -> u32 {
  return params.E;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let choice = folded_index(group, groups);
  if (choice >= params.W) {
    return;
  }
  let row = position_of(choice);
  let expert = expert_of(choice);
  var sum = 0.0;
  if (row >= 0) {
    let fours = (params.O + 3u) / 4u;
    for (var q = lane; q < fours; q += WORKGROUP) {
      sum += dots[u32(row) * fours + q];
    }
    if (params.hasBias == 1u) {
      for (var c = lane; c < params.C; c += WORKGROUP) {
        sum += f32(dout[choice / params.choices * params.C + c]) * f32(bias[expert * params.C + c]);
      }
    }
  }
  let dot = workgroup_sum(sum, lane);
  if (lane == 0u) {
    dweights[choice] = dot;
  }
}
