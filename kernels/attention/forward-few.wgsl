// common: attention, attention-key-inside, attention-keys, attention-mask, attention-value-inside, grid, philox
// attention/forward, few rows (webgpu): the keys split over workgroups, as when decoding
// Math      as forward.wgsl over the keys of a split: maximum, sum of weights and sum of weighted values
// Shapes    q [B,L,H,D] · k, v [B,S,G,D], layouts in kernels.ts · mask [B,kvCapacity] i32 · random [4] u32
//           scratch: prefix keys, prefix values [P,G,D], then per workgroup and row D sums, maximum, sum of weights
// Method    four rows of a key/value head at a time (row r is query r % L of head g H / G + r / L), WORKGROUP keys:
//             scores: eight threads share a key, each every eighth column; thread n joins those of key n
//             maximum over the keys; weights; dropout; then a thread per column adds up the weighted values
// Tiling    a workgroup owns four rows and a split of the keys; neighbours read neighbouring columns. Workgroup memory:
//             (10 WORKGROUP + HEAD) 16 bytes, 14,336 at most
// Launch    grid (B G ceil(L H / G / 4) splits) folded, splits = ceil((P + S) / WORKGROUP); 64 threads; HEAD >= D
// Numerics  f32, in the order of the keys
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

@group(0) @binding(0) var<storage, read> q: array<value>;            // [B,L,H,D]
@group(0) @binding(1) var<storage, read> k: array<value>;            // [B,S,G,D]
@group(0) @binding(2) var<storage, read> v: array<value>;            // [B,S,G,D]
@group(0) @binding(3) var<storage, read> mask: array<i32>;           // [B,kvCapacity]
@group(0) @binding(4) var<uniform> random: vec4<u32>;                // [4]
@group(0) @binding(5) var<storage, read_write> scratch: array<f32>;  // prefix keys, prefix values [P,G,D], partial results
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> queries: array<vec4<f32>, HEAD>;           // [d][four rows], times scale
var<workgroup> shares: array<vec4<f32>, 9 * WORKGROUP>;   // [key][thread of it], pitch 9
var<workgroup> weights: array<vec4<f32>, WORKGROUP>;      // [key]

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let heads = params.H / params.G;
  let splits = (params.P + params.S + WORKGROUP - 1u) / WORKGROUP;
  let fours = (params.L * heads + 3u) / 4u;
  let index = folded_index(group, groups);
  let first = index % splits * WORKGROUP;
  let four = index / splits % fours;
  let g = index / splits / fours % params.G;
  let batch = index / splits / fours / params.G;
  if (batch >= params.B) {
    return;
  }
  // Rows past the end repeat the last one.
  let rows = min(4u * four + FOUR, vec4(params.L * heads - 1u));
  let i = rows % params.L;
  let h = g * heads + rows / params.L;

  for (var d = lane; d < params.D; d += WORKGROUP) {
    let at = params.qOffset + (batch * params.L + i) * params.qPitch + h * params.D + d;
    queries[d] = params.scale * vec4<f32>(vec4(q[at.x], q[at.y], q[at.z], q[at.w]));
  }
  workgroupBarrier();

  for (var key = lane / 8u; key < WORKGROUP; key += WORKGROUP / 8u) {
    var share = vec4(0.0);
    for (var d = lane % 8u; d < params.D; d += 8u) {
      share += queries[d] * key_at(batch, first + key, g, d);
    }
    shares[key * 9u + lane % 8u] = share;
  }
  workgroupBarrier();

  let n = first + lane;
  var score = vec4(0.0);
  for (var x = 0u; x < 8u; x++) {
    score += shares[lane * 9u + x];
  }
  let shown = n < params.P + params.S && mask_shows(batch, min(n, params.P + params.S - 1u));
  let ends = vec4(keys_seen(i.x), keys_seen(i.y), keys_seen(i.z), keys_seen(i.w));
  score = select(vec4(HIDDEN), score, (vec4(n) < ends) & vec4(shown));
  weights[lane] = score;
  workgroupBarrier();
  var highest = vec4(FLOOR);
  for (var key = 0u; key < WORKGROUP; key++) {
    highest = max(highest, weights[key]);
  }
  workgroupBarrier();

  var weight = exp(score - highest);
  shares[lane * 9u] = weight;
  if (params.dropout > 0.0) {
    for (var r = 0u; r < min(4u, params.L * heads - 4u * four); r++) {
      let position = lse_row(batch, i[r], h[r]) * (params.P + params.S) + n;
      weight[r] *= dropout_factors(position, params.sequence, random, params.dropout).x;
    }
  }
  weights[lane] = weight;
  workgroupBarrier();

  let to = 2u * params.P * params.G * params.D + (params.BFirst * params.G * fours * splits + index) * 4u * (params.D + 2u);
  let count = min(WORKGROUP, params.P + params.S - first);
  for (var d = lane; d < params.D; d += WORKGROUP) {
    var sum = vec4(0.0);
    for (var key = 0u; key < count; key++) {
      sum += weights[key] * value_at(batch, first + key, g, d);
    }
    for (var r = 0u; r < 4u; r++) {
      scratch[to + r * (params.D + 2u) + d] = sum[r];
    }
  }
  if (lane < 4u) {
    var sum = 0.0;
    for (var key = 0u; key < WORKGROUP; key++) {
      sum += shares[key * 9u][lane];
    }
    scratch[to + lane * (params.D + 2u) + params.D] = highest[lane];
    scratch[to + lane * (params.D + 2u) + params.D + 1u] = sum;
  }
}
