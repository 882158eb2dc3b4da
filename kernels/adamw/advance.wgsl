// common: grid
// adamw/advance (webgpu)
// Math      lr = rate[0];  c1 = b1 c1 + (1 - b1);  c2 = b2 c2 + (1 - b2) in each row of `slots`;  nothing changes where
//           clip[1] < 0
// Shapes    rate [4] f32 = lr, unused · slots [count] u32 · clip [2] f32 = norm, factor · schedule [parameters,4] f32, a
//           row = lr, c1, c2, unused
// Tiling    a thread owns a row
// Launch    grid (count / WORKGROUP) folded, WORKGROUP threads

struct Params {
  count: u32,
  parameters: u32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  hasClip: u32,
}

@group(0) @binding(0) var<uniform> rate: vec4<f32>;                           // [4]
@group(0) @binding(1) var<storage, read> slots: array<u32>;                   // [count]
@group(0) @binding(2) var<uniform> clip: vec2<f32>;                           // [2]
@group(0) @binding(3) var<storage, read_write> schedule: array<vec4<f32>>;    // [parameters,4]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= params.count || (params.hasClip != 0u && clip.y < 0.0)) {
    return;
  }
  let row = schedule[slots[i]];
  let corrections = vec2(params.beta1, params.beta2) * row.yz + vec2(params.rest1, params.rest2);
  schedule[slots[i]] = vec4(rate.x, corrections, row.w);
}
