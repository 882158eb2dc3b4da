// common: grid, math, philox
// random/normal (webgpu)
// Math      y[2j], y[2j+1] = mean + deviation √(-2 log(1 - u[2j])) (cos, sin)(2π u[2j+1]); u uniform in [0, 1), 24 bits
// Shapes    random u32[4] · y [n]
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32; the angle is exact before its sine and cosine

struct Params {
  n: u32,
  mean: f32,
  deviation: f32,
  sequence: u32,
  nFirst: u32,
  nWhole: u32,
}

@group(0) @binding(0) var<uniform> random: vec4<u32>;                  // [4]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<value>>;  // [n]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= (params.n + 3u) / 4u) {
    return;
  }
  let words = random_words(params.nFirst + 4u * i, params.sequence, random);
  let first = pair_of(words.xy);
  let second = pair_of(words.zw);
  y[i] = vec4<value>(params.mean + params.deviation * vec4(first, second));
}

fn pair_of(words: vec2<u32>) -> vec2<f32> {
  let radius = sqrt(-2.0 * log_exact(1.0 - uniform_values(words.xxxx).x));
  let angle = angle_of_turns(words.y & 0xffffff00u, 0u);
  return radius * vec2(cos_of(angle), sin_of(angle));
}
