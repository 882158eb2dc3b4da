// common: grid
// sgd/step (webgpu)
// Math      g = clip · gradient + wd p;  u = μ u + g;  p -= lr (nesterov ? g + μ u : u);  without velocity p -= lr g
// Shapes    parameter, velocity [n] f32 · gradient [n] · schedule [4] = lr, unused · clip [2] = norm, factor
// Tiling    a thread owns an element
// Launch    grid (n / WORKGROUP) folded, WORKGROUP threads
// Numerics  f32

struct Params {
  n: u32,
  momentum: f32,
  nesterov: u32,
  weightDecay: f32,
  hasVelocity: u32,
  hasClip: u32,
}

@group(0) @binding(0) var<storage, read_write> parameter: array<f32>;  // [n]
@group(0) @binding(1) var<storage, read> gradient: array<value>;       // [n]
@group(0) @binding(2) var<storage, read_write> velocity: array<f32>;   // [n]
@group(0) @binding(3) var<uniform> schedule: vec4<f32>;                // [4]
@group(0) @binding(4) var<uniform> clip: vec2<f32>;                    // [2]
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  // A clip factor below 0: the step is skipped (loss-scale/unscale).
  if (i >= params.n || (params.hasClip == 1u && clip[1] < 0.0)) {
    return;
  }

  let w = parameter[i];
  var g = f32(gradient[i]) * select(1.0, clip[1], params.hasClip == 1u) + params.weightDecay * w;
  if (params.hasVelocity == 1u) {
    let u = params.momentum * velocity[i] + g;
    velocity[i] = u;
    g = select(u, g + params.momentum * u, params.nesterov == 1u);
  }
  parameter[i] = w - schedule[0] * g;
}
