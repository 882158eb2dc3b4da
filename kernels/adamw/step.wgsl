// common: grid
// adamw/step (webgpu)
// Math      m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;  p = p (1 - lr wd) - lr/c1 · m / (√(v/c2) + eps)
// Shapes    parameter, m, v [n] f32 · gradient [n] · schedule [parameters,4], row `slot` = lr, c1, c2, unused
//           clip [2] = norm, factor of g
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32

struct Params {
  n: u32,
  parameters: u32,
  slot: u32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  eps: f32,
  weightDecay: f32,
  hasClip: u32,
}

@group(0) @binding(0) var<storage, read_write> parameter: array<vec4<f32>>;  // [n]
@group(0) @binding(1) var<storage, read> gradient: array<vec4<value>>;       // [n]
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;          // [n]
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;          // [n]
@group(0) @binding(4) var<storage, read> schedule: array<vec4<f32>>;         // [parameters,4]
@group(0) @binding(5) var<uniform> clip: vec2<f32>;                          // [2]
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  // A clip factor below 0: the step is skipped (loss-scale/unscale).
  if (i >= (params.n + 3u) / 4u || (params.hasClip == 1u && clip[1] < 0.0)) {
    return;
  }
  let schedule = schedule[params.slot];
  let lr = schedule[0];

  let g = vec4<f32>(gradient[i]) * select(1.0, clip[1], params.hasClip == 1u);
  let first = params.beta1 * m[i] + params.rest1 * g;
  let second = params.beta2 * v[i] + params.rest2 * (g * g);
  m[i] = first;
  v[i] = second;

  let step = lr / schedule[1] * first / (sqrt(second / schedule[2]) + params.eps);
  parameter[i] = parameter[i] * (1.0 - lr * params.weightDecay) - step;
}
