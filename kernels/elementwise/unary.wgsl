// common: activation, grid, math
// elementwise/unary (webgpu)
// Math      y[i] = f(x[i]); f by its code in functions.ts, with parameters alpha and beta
// Shapes    x, y [n]
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32; functions within 3 units in the last place, except gelu's (common/wgsl/activation.wgsl); rounds once

struct Params {
  n: u32,
  f: u32,
  alpha: f32,
  beta: f32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<value>>;        // [n]
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
  var four = vec4<f32>(x[i]);
  // A loop: four copies of the functions would take four times as long to compile.
  for (var c = 0u; c < 4u; c++) {
    four[c] = apply(four[c]);
  }
  y[i] = vec4<value>(four);
}

fn apply(x: f32) -> f32 {
  let alpha = params.alpha;
  let beta = params.beta;
  switch (params.f) {
    case 0u: { return alpha * x + beta; }                                // affine
    case 1u: { return exp_exact(x); }                                    // exp
    case 2u: { return log_exact(x); }                                    // log
    case 3u: { return sqrt(x); }                                         // sqrt
    case 4u: { return 1.0 / sqrt(x); }                                   // rsqrt
    case 5u: { return abs(x); }                                          // abs
    case 6u: { return x * x; }                                           // square
    case 7u: { return 1.0 / x; }                                         // reciprocal
    case 8u: { return sin_exact(x); }                                    // sin
    case 9u: { return cos_exact(x); }                                    // cos
    case 10u: { return tanh_exact(x); }                                  // tanh
    case 11u: { return sigmoid(x); }                                     // sigmoid
    case 12u: { return relu(x); }                                        // relu
    case 13u: { return gelu(x); }                                        // gelu
    case 14u: { return gelu_tanh(x); }                                   // geluTanh
    case 15u: { return swish(x, 1.702); }                                // quickGelu
    case 16u: { return swish(x, 1.0); }                                  // silu
    case 17u: { return sign_of(x); }                                     // sign
    case 18u: { return floor(x); }                                       // floor
    case 19u: { return at_least(at_most(x, beta), alpha); }                  // clamp
    case 20u: { return pow_exact(x, alpha); }                            // pow
    default: { return x; }
  }
}
