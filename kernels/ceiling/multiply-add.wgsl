// common: grid
// ceiling/multiply-add (webgpu)
// Math      y[i] = s after `steps` times s = s factor + term, from s = i mod 256
// Shapes    y [n] f32
// Method    the arithmetic of this adapter and nothing else: sums stay in registers, and eight steps are written out
// Tiling    a thread owns three fours of neighbouring sums: with factor and term they fit into the 16 registers of a
//           processor, where the adapter is one; those past the end fall into the padding of the buffer, or are left out
// Launch    grid (ceil(n / 12 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32, one fused multiply-add a step where the adapter has it
// Limits    steps a multiple of 8

struct Params {
  n: u32,
  steps: u32,
  factor: f32,
  term: f32,
}

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;  // [n]
@group(0) @binding(1) var<uniform> params: Params;

fn start(four: u32) -> vec4<f32> {
  return vec4<f32>((4u * four + vec4(0u, 1u, 2u, 3u)) % 256u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = 3u * (folded_index(group, groups) * WORKGROUP + lane);
  let factor = vec4(params.factor);
  let term = vec4(params.term);
  var a = start(first);
  var b = start(first + 1u);
  var c = start(first + 2u);
  for (var step = 0u; step < params.steps; step += 8u) {
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
    a = fma(a, factor, term);
    b = fma(b, factor, term);
    c = fma(c, factor, term);
  }
  let fours = (params.n + 3u) / 4u;
  if (first < fours) {
    y[first] = a;
  }
  if (first + 1u < fours) {
    y[first + 1u] = b;
  }
  if (first + 2u < fours) {
    y[first + 2u] = c;
  }
}
