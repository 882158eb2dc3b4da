// common: attention, attention-key, attention-keys, attention-mask, attention-value, grid, lanes, philox
// attention/forward (webgpu) of heads up to sixteen wide, from storage: for adapters that run on the CPU
// Math      as forward.wgsl
// Shapes    as forward.wgsl
// Method    per four keys: scores = Q Kᵀ, maximum, weights, dropout, y = y exp(old - new maximum) + weights V. Four rows of q
//           and y, sixteen vectors each, and what belongs to four keys are all variables: no array, which would lie in memory.
// Tiling    a thread owns four query rows of the workgroup's head; a four of lanes loads 4 × 4 of k or v with four loads,
//           which serve 64 multiply-adds of each lane
// Launch    grid (B H ceil(L / (4 WORKGROUP))) folded, WORKGROUP threads of whole subgroups of four lanes or more; D <= 16;
//           PREFIX = 1 where P > 0
// Numerics  f32; a row that sees no key: y = 0, lse = 1e30 (NO_KEYS)
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

@group(0) @binding(0) var<storage, read> q: array<value>;             // [B,L,H,D]
@group(0) @binding(1) var<storage, read> k: array<value>;             // [B,S,G,D]
@group(0) @binding(2) var<storage, read> v: array<value>;             // [B,S,G,D]
@group(0) @binding(3) var<storage, read> mask: array<i32>;            // [B,kvCapacity]
@group(0) @binding(4) var<uniform> random: vec4<u32>;                 // [4]
@group(0) @binding(5) var<storage, read_write> y: array<value>;       // [B,L,H,D]
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;       // [B,H,L]
@group(0) @binding(7) var<storage, read_write> scratch: array<f32>;   // prefix keys, prefix values [P,G,D]
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
  // Rows past the end repeat the last one. All lanes walk over the keys that the last row of the workgroup sees.
  let g = h / (params.H / params.G);
  let first = block + 4u * lane;
  let i = min(first + FOUR, vec4(params.L - 1u));
  let ends = vec4(keys_seen(i.x), keys_seen(i.y), keys_seen(i.z), keys_seen(i.w));
  let end = keys_seen(min(block + 4u * WORKGROUP, params.L) - 1u);
  let sharing = lane_of_four();
  let positions = (lse_row(batch, 0u, h) + i) * (params.P + params.S);

  let q_at = query_row(batch, 0u, h) + i * params.qPitch;
  let q0 = queries_at(q_at, 0u);
  let q1 = queries_at(q_at, 4u);
  let q2 = queries_at(q_at, 8u);
  let q3 = queries_at(q_at, 12u);
  var y0 = mat4x4<f32>();
  var y1 = mat4x4<f32>();
  var y2 = mat4x4<f32>();
  var y3 = mat4x4<f32>();
  var highest = vec4(FLOOR);
  var sum = vec4(0.0);

  for (var n = 0u; n < end; n += 4u) {
    var scores = add_products(mat4x4<f32>(), q0, keys_at(batch, n, g, sharing));
    if (params.D > 4u) {
      scores = add_products(scores, q1, keys_at(batch, n, g, 4u + sharing));
    }
    if (params.D > 8u) {
      scores = add_products(scores, q2, keys_at(batch, n, g, 8u + sharing));
    }
    if (params.D > 12u) {
      scores = add_products(scores, q3, keys_at(batch, n, g, 12u + sharing));
    }
    scores = mat4x4(
      visible(scores[0], batch, n, end, ends),
      visible(scores[1], batch, n + 1u, end, ends),
      visible(scores[2], batch, n + 2u, end, ends),
      visible(scores[3], batch, n + 3u, end, ends),
    );
    let raised = max(max(max(highest, scores[0]), max(scores[1], scores[2])), scores[3]);
    let correction = exp(highest - raised);
    highest = raised;
    var weights = mat4x4(exp(scores[0] - raised), exp(scores[1] - raised), exp(scores[2] - raised), exp(scores[3] - raised));
    sum = sum * correction + weights[0] + weights[1] + weights[2] + weights[3];
    if (params.dropout > 0.0) {
      weights = drop(weights, positions + n);
    }

    y0 = scaled(y0, correction) + weights * values_at(batch, n, end, g, sharing);
    if (params.D > 4u) {
      y1 = scaled(y1, correction) + weights * values_at(batch, n, end, g, 4u + sharing);
    }
    if (params.D > 8u) {
      y2 = scaled(y2, correction) + weights * values_at(batch, n, end, g, 8u + sharing);
    }
    if (params.D > 12u) {
      y3 = scaled(y3, correction) + weights * values_at(batch, n, end, g, 12u + sharing);
    }
  }

  let inverse = select(1.0 / sum, vec4(0.0), sum == vec4(0.0));
  let logarithm = select(highest + log(sum), vec4(NO_KEYS), sum == vec4(0.0));
  let result = array(y0, y1, y2, y3);
  for (var r = 0u; r < four_below(first, params.L); r++) {
    let y_at = result_row(batch, first + r, h);
    for (var d = 0u; d < params.D; d++) {
      y[y_at + d] = value(result[d / 4u][d % 4u][r] * inverse[r]);
    }
    lse[lse_row(batch, first + r, h)] = logarithm[r];
  }
}

// Columns d .. d + 3 of four queries; 0 past the last column.
fn queries_at(at: vec4<u32>, d: u32) -> mat4x4<f32> {
  return mat4x4(query_column(at, d), query_column(at, d + 1u), query_column(at, d + 2u), query_column(at, d + 3u));
}

fn query_column(at: vec4<u32>, d: u32) -> vec4<f32> {
  if (d >= params.D) {
    return vec4(0.0);
  }
  return vec4<f32>(vec4(q[at.x + d], q[at.y + d], q[at.z + d], q[at.w + d]));
}

// Keys n .. n + 3 as columns, of four elements from the one that lane 0 shares; `d` is that of this lane. Past the last key
// that one again; 0 past the last column.
fn keys_at(batch: u32, n: u32, g: u32, d: u32) -> mat4x4<f32> {
  let keys = min(n + FOUR, vec4(params.P + params.S - 1u));
  let inside = d < params.D;
  return mat4x4(
    of_four_lanes(select(0.0, key_at(batch, keys.x, g, d), inside)),
    of_four_lanes(select(0.0, key_at(batch, keys.y, g, d), inside)),
    of_four_lanes(select(0.0, key_at(batch, keys.z, g, d), inside)),
    of_four_lanes(select(0.0, key_at(batch, keys.w, g, d), inside)),
  );
}

// Values n .. n + 3 as rows, of four columns from the one that lane 0 shares; `d` is that of this lane. From key `end` on 0,
// since those weights, which are 0, would make NaN of an infinite value.
fn values_at(batch: u32, n: u32, end: u32, g: u32, d: u32) -> mat4x4<f32> {
  let keys = min(n + FOUR, vec4(params.P + params.S - 1u));
  let inside = n + FOUR < vec4(end);
  return transpose(mat4x4(
    of_four_lanes(select(0.0, value_at(batch, keys.x, g, d), inside.x)),
    of_four_lanes(select(0.0, value_at(batch, keys.y, g, d), inside.y)),
    of_four_lanes(select(0.0, value_at(batch, keys.z, g, d), inside.z)),
    of_four_lanes(select(0.0, value_at(batch, keys.w, g, d), inside.w)),
  ));
}

// The scores of four rows and key n; HIDDEN where they do not see it.
fn visible(score: vec4<f32>, batch: u32, n: u32, end: u32, ends: vec4<u32>) -> vec4<f32> {
  let seen = (vec4(n) < ends) & vec4(n < end && mask_shows(batch, n));
  return select(vec4(HIDDEN), params.scale * score, seen);
}

// Element by element, in the order of the backward pass: its scores then carry the rounding of this lse, and large ones cancel.
fn add_products(sums: mat4x4<f32>, q: mat4x4<f32>, k: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(
    sums[0] + q[0] * k[0].x + q[1] * k[0].y + q[2] * k[0].z + q[3] * k[0].w,
    sums[1] + q[0] * k[1].x + q[1] * k[1].y + q[2] * k[1].z + q[3] * k[1].w,
    sums[2] + q[0] * k[2].x + q[1] * k[2].y + q[2] * k[2].z + q[3] * k[2].w,
    sums[3] + q[0] * k[3].x + q[1] * k[3].y + q[2] * k[3].z + q[3] * k[3].w,
  );
}

fn scaled(columns: mat4x4<f32>, rows: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(columns[0] * rows, columns[1] * rows, columns[2] * rows, columns[3] * rows);
}

// Dropout of four weights of four rows; `positions`: of each row's first.
fn drop(weights: mat4x4<f32>, positions: vec4<u32>) -> mat4x4<f32> {
  var factors = mat4x4<f32>();
  for (var r = 0u; r < 4u; r++) {
    factors[r] = dropout_factors(positions[r], params.sequence, random, params.dropout);
  }
  let columns = transpose(factors);
  return mat4x4(weights[0] * columns[0], weights[1] * columns[1], weights[2] * columns[2], weights[3] * columns[3]);
}
