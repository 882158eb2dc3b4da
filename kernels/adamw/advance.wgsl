// adamw/advance (webgpu)
// Math      lr = rate[0];  c1 = b1 c1 + (1 - b1);  c2 = b2 c2 + (1 - b2);  nothing changes where clip[1] < 0
// Shapes    rate [4] f32 = lr, unused · clip [2] f32 = norm, factor · schedule [4] f32 = lr, c1, c2, unused
// Launch    one thread

struct Params {
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  hasClip: u32,
}

@group(0) @binding(0) var<uniform> rate: vec4<f32>;                       // [4]
@group(0) @binding(1) var<uniform> clip: vec2<f32>;                       // [2]
@group(0) @binding(2) var<storage, read_write> schedule: array<f32, 4>;   // [4]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  if (params.hasClip != 0u && clip.y < 0.0) {
    return;
  }
  schedule[0] = rate.x;
  schedule[1] = params.beta1 * schedule[1] + params.rest1;
  schedule[2] = params.beta2 * schedule[2] + params.rest2;
}
