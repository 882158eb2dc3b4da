// common: activation, grid
// matmul/backward-activation, first launch (webgpu)
// Math      dpreactivation[t,n] = dy[t,n] act'(preactivation[t,n]);  partial[c,n] = its sum over block c of BLOCK rows
// Shapes    dy, preactivation, dpreactivation [T,N] · partial [blocks,N] f32, written with hasDbias
// Tiling    a workgroup owns WORKGROUP columns of a block, a thread one of them
// Launch    grid (blocks × column tiles) folded, WORKGROUP threads
// Numerics  f32, rows in order; sums take the values before they are rounded for storage

struct Params {
  T: u32,
  N: u32,
  activation: u32,
  hasDbias: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;                    // [T,N]
@group(0) @binding(1) var<storage, read> preactivation: array<value>;         // [T,N]
@group(0) @binding(2) var<storage, read_write> dpreactivation: array<value>;  // [T,N]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;           // [blocks,N]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let tiles = (params.N + WORKGROUP - 1u) / WORKGROUP;
  let tile = folded_index(group, groups);
  let n = tile % tiles * WORKGROUP + lane;
  let block = tile / tiles;
  let begin = block * BLOCK;
  if (n >= params.N || begin >= params.T) {
    return;
  }
  let end = min(params.T, begin + BLOCK);

  var sum = 0.0;
  for (var t = begin; t < end; t++) {
    let i = t * params.N + n;
    let d = f32(dy[i]) * slope(params.activation, f32(preactivation[i]));
    dpreactivation[i] = value(d);
    sum += d;
  }
  if (params.hasDbias == 1u) {
    partial[block * params.N + n] = sum;
  }
}

// act'(x)
fn slope(code: u32, x: f32) -> f32 {
  switch (code) {
    case 1u: { return 0.5 * (1.0 + erf(x * 0.70710678)) + 0.39894228 * x * exp(-0.5 * x * x); }  // gelu: Φ(x) + x φ(x)
    case 2u: {                                                                                   // geluTanh
      let t = tanh_exact(0.79788456 * (x + 0.044715 * x * x * x));
      return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.79788456 * (1.0 + 0.134145 * x * x);
    }
    case 3u: { return swish_slope(x, 1.702); }                                                   // quickGelu
    case 4u: { return swish_slope(x, 1.0); }                                                     // silu
    case 5u: {                                                                                   // tanh
      let t = tanh_exact(x);
      return 1.0 - t * t;
    }
    case 6u: { return select(0.0, 1.0, x > 0.0); }                                               // relu
    default: { return 1.0; }
  }
}

// The derivative of x σ(c x).
fn swish_slope(x: f32, c: f32) -> f32 {
  let s = sigmoid(c * x);
  return s + c * x * s * (1.0 - s);
}
