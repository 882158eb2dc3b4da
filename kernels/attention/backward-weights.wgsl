// common: attention, attention-keys, attention-mask, attention-products, grid, lanes, philox
// attention/backward weights (webgpu), from storage: for adapters that run on the CPU, where [L, P + S] fits into scratch
// Math      weight[i,n] = w r and dscore[i,n] = w (r dy[i]·v[n] - delta[i]), w = exp(scale q·k[n] - lse[i]) where i sees n,
//           else 0; r the dropout factor, g = h / (H / G)
// Shapes    dy [B,L,H,D] · q [B,L,H,D], k, v [B,S,G,D], layouts in kernels.ts · mask [B,kvCapacity] i32 · random [4] u32
//           lse [B,H,L] f32 · scratch: prefix keys, prefix values [P,G,D], delta [B,H,L], weight, dscore [B,H,L,P+S] f32
// Method    per sixteen keys: q·k, an outer product per d; dy·v likewise; both results to scratch. dq, dk and dv are a
//           product each from there: five products in all, where launches that keep no weights need eight, and no thread
//           holds more than a tile of one product.
// Tiling    as forward.wgsl: a thread owns four query rows of the workgroup's head, and shares elements of k and v with its
//           subgroup
// Launch    grid (B H ceil(L / (4 WORKGROUP))) folded, WORKGROUP threads; PREFIX = 1 where P > 0
// Numerics  f32, in the order of d
// Limits    each tensor below 2^32 elements

struct Params {
  B: u32,
  L: u32,
  S: u32,
  H: u32,
  G: u32,
  D: u32,
  P: u32,
  causal: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  hasMask: u32,
  hasPrefix: u32,
  qPitch: u32,
  kvPitch: u32,
  qOffset: u32,
  kOffset: u32,
  vOffset: u32,
  kvCapacity: u32,
  BFirst: u32,
  BWhole: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;           // [B,L,H,D]
@group(0) @binding(1) var<storage, read> q: array<value>;            // [B,L,H,D]
@group(0) @binding(2) var<storage, read> k: array<value>;            // [B,S,G,D]
@group(0) @binding(3) var<storage, read> v: array<value>;            // [B,S,G,D]
@group(0) @binding(4) var<storage, read> mask: array<i32>;           // [B,kvCapacity]
@group(0) @binding(5) var<uniform> random: vec4<u32>;                // [4]
@group(0) @binding(6) var<storage, read> lse: array<f32>;            // [B,H,L]
@group(0) @binding(7) var<storage, read_write> scratch: array<f32>;  // as above
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let blocks = (params.L + 4u * WORKGROUP - 1u) / (4u * WORKGROUP);
  let index = folded_index(group, groups);
  let batch = index / blocks / params.H;
  let h = index / blocks % params.H;
  let block = 4u * WORKGROUP * (index % blocks);
  if (batch >= params.B) {
    return;
  }
  // Rows past the end repeat the last one.
  let g = h / (params.H / params.G);
  let first = block + 4u * lane;
  let own = four_below(first, params.L);
  let i = min(first + FOUR, vec4(params.L - 1u));
  let ends = vec4(keys_seen(i.x), keys_seen(i.y), keys_seen(i.z), keys_seen(i.w));
  let end = keys_seen(min(block + 4u * WORKGROUP, params.L) - 1u);
  let sharing = lane_of_four();
  let q_at = query_row(batch, 0u, h) + i * params.qPitch;
  let dy_at = result_row(batch, 0u, h) + i * params.H * params.D;
  let row = lse_row(batch, 0u, h) + i;
  let positions = row * (params.P + params.S);
  let sums = vec4(lse[row.x], lse[row.y], lse[row.z], lse[row.w]);
  let at = vec4(delta_row(row.x), delta_row(row.y), delta_row(row.z), delta_row(row.w));
  let delta = vec4(scratch[at.x], scratch[at.y], scratch[at.z], scratch[at.w]);

  // Products go over all keys of scratch, so those past `end` get their zeros.
  let keys = params.P + params.S;
  for (var n = 0u; n < keys; n += 16u) {
    var scores = array<mat4x4<f32>, 4>();
    var dweights = array<mat4x4<f32>, 4>();
    if (n < end) {
      scores = multiply(q_at, batch, g, n + sharing, 0u);
      dweights = multiply(dy_at, batch, g, n + sharing, 1u);
    }
    for (var s = 0u; s < 4u; s++) {
      var factors = mat4x4(vec4(1.0), vec4(1.0), vec4(1.0), vec4(1.0));
      if (params.dropout > 0.0) {
        for (var r = 0u; r < 4u; r++) {
          factors[r] = dropout_factors(positions[r] + n + 4u * s, params.sequence, random, params.dropout);
        }
        factors = transpose(factors);
      }
      var weights = mat4x4<f32>();
      var dscores = mat4x4<f32>();
      for (var c = 0u; c < 4u; c++) {
        let key = n + 4u * s + c;
        let seen = (vec4(key) < ends) & vec4(key < end && mask_shows(batch, key));
        let weight = exp(select(vec4(HIDDEN), params.scale * scores[s][c] - sums, seen));
        weights[c] = weight * factors[c];
        dscores[c] = weight * (factors[c] * dweights[s][c] - delta);
      }
      weights = transpose(weights);
      dscores = transpose(dscores);
      let to = n + 4u * s;
      for (var r = 0u; r < 4u; r++) {
        let weights_at = weights_row(row[r]) + to;
        let dscores_at = dscores_row(row[r]) + to;
        for (var c = 0u; c < 4u; c++) {
          if (r < own && to + c < keys) {
            scratch[weights_at + c] = weights[r][c];
            scratch[dscores_at + c] = dscores[r][c];
          }
        }
      }
    }
  }
}
