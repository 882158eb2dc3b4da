// common: grid, philox
// dropout/forward (webgpu)
// Math      y[i] = x[i] / (1 - rate) where u[i / span] >= rate, else 0; u uniform in [0, 1), 24 bits
// Shapes    x, y [n] · random u32[4]
// Method    span 1: four elements take the four words of one call of philox; longer spans: a call for each group met
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32; the mask is exact

struct Params {
  n: u32,
  span: u32,
  rate: f32,
  sequence: u32,
  nFirst: u32,
  nWhole: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<value>>;        // [n]
@group(0) @binding(1) var<uniform> random: vec4<u32>;                  // [4]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<value>>;  // [n]
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
  let first = params.nFirst + 4u * i;
  var factors: vec4<f32>;
  if (params.span == 1u) {
    factors = dropout_factors(first, params.sequence, random, params.rate);
  } else {
    let spans = (first + vec4(0u, 1u, 2u, 3u)) / params.span;
    for (var c = 0u; c < 4u; c++) {
      if (c > 0u && spans[c] == spans[c - 1u]) {
        factors[c] = factors[c - 1u];
      } else {
        factors[c] = dropout_factors(spans[c] & 0xfffffffcu, params.sequence, random, params.rate)[spans[c] & 3u];
      }
    }
  }
  // A select, since infinity times 0 is NaN.
  y[i] = vec4<value>(select(vec4(0.0), vec4<f32>(x[i]) * factors, factors > vec4(0.0)));
}
