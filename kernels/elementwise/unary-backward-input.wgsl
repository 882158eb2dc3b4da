// common: activation, grid, math
// elementwise/unary-backward-input (webgpu)
// Math      dx[i] = dy[i] f'(x[i]), f' written in x or in y as DERIVATIVE_OF in functions.ts says
// Shapes    dy, saved, dx [n]
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32; rounds once

struct Params {
  n: u32,
  f: u32,
  alpha: f32,
  beta: f32,
}

@group(0) @binding(0) var<storage, read> dy: array<vec4<value>>;        // [n]
@group(0) @binding(1) var<storage, read> saved: array<vec4<value>>;     // [n]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<value>>;  // [n]
@group(0) @binding(3) var<uniform> params: Params;

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
  var slopes = vec4<f32>(saved[i]);
  // A loop: four copies of the functions would take four times as long to compile.
  for (var c = 0u; c < 4u; c++) {
    slopes[c] = derivative(slopes[c]);
  }
  dx[i] = vec4<value>(vec4<f32>(dy[i]) * slopes);
}

// s is x or y.
fn derivative(s: f32) -> f32 {
  let alpha = params.alpha;
  switch (params.f) {
    case 0u: { return alpha; }                                             // affine
    case 1u: { return s; }                                                 // exp, from y
    case 2u: { return 1.0 / s; }                                           // log
    case 3u: { return 0.5 / s; }                                           // sqrt, from y
    case 4u: { return (-0.5 * s) * (s * s); }                              // rsqrt, from y
    case 5u: { return sign_of(s); }                                        // abs
    case 6u: { return s + s; }                                             // square
    case 7u: { return -(s * s); }                                          // reciprocal, from y
    case 8u: { return cos_exact(s); }                                      // sin
    case 9u: { return -sin_exact(s); }                                     // cos
    case 10u: { return 1.0 - s * s; }                                      // tanh, from y
    case 11u: { return s - s * s; }                                        // sigmoid, from y
    case 12u: { return select(0.0, 1.0, s > 0.0); }                        // relu, from y
    case 13u: { return gelu_derivative(s); }                               // gelu
    case 14u: { return gelu_tanh_derivative(s); }                          // geluTanh
    case 15u: { return swish_derivative(s, 1.702); }                       // quickGelu
    case 16u: { return swish_derivative(s, 1.0); }                         // silu
    case 19u: { return select(0.0, 1.0, s >= alpha && s <= params.beta); } // clamp
    case 20u: { return select(alpha * pow_exact(s, alpha - 1.0), 0.0, alpha == 0.0); }                // pow
    default: { return 0.0; }                                               // sign, floor
  }
}
