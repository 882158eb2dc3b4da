// common: grid, reduce, routing
// token-permute/backward-combine (webgpu)
// Math      with t, k of grouped row r: dx[r] = weights[t,k] dy[t], zero from the last row kept on; dweights[t,k] = sum_c
//           dy[t,c] x[r,c], zero where dropped
// Shapes    dy [T,C] · x, dx [R,C] · weights, dweights [T,K] f32 · lists [L] i32
// Method    workgroup i writes the gradient of choice i and its row; where the choice was dropped, that of weight alone. A
//           row that nobody kept has no choice: workgroup i writes row i, too, where it is one
// Tiling    a workgroup owns a choice; a thread every WORKGROUP-th column
// Launch    grid (R) folded, WORKGROUP threads
// Numerics  f32, in an order of C and WORKGROUP; dx rounds once
// Limits    R C below 2^32; x and dx each within one binding

struct Params {
  T: u32,
  E: u32,
  K: u32,
  R: u32,
  C: u32,
  L: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;            // [T,C]
@group(0) @binding(1) var<storage, read> x: array<value>;             // [R,C]
@group(0) @binding(2) var<storage, read> weights: array<f32>;         // [T,K]
@group(0) @binding(3) var<storage, read> lists: array<i32>;           // [L]
@group(0) @binding(4) var<storage, read_write> dx: array<value>;      // [R,C]
@group(0) @binding(5) var<storage, read_write> dweights: array<f32>;  // [T,K]
@group(0) @binding(6) var<uniform> params: Params;

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
  if (choice >= params.R) {
    return;
  }
  if (choice >= offset_of(params.E)) {
    for (var c = lane; c < params.C; c += WORKGROUP) {
      dx[choice * params.C + c] = value(0.0);
    }
  }

  let row = position_of(choice);
  var sum = 0.0;
  if (row >= 0) {
    let source = choice / params.K * params.C;
    let to = u32(row) * params.C;
    let weight = weights[choice];
    for (var c = lane; c < params.C; c += WORKGROUP) {
      let d = f32(dy[source + c]);
      dx[to + c] = value(weight * d);
      sum += d * f32(x[to + c]);
    }
  }
  let dot = workgroup_sum(sum, lane);
  if (lane == 0u) {
    dweights[choice] = dot;
  }
}
