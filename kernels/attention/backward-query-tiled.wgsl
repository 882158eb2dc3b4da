// common: attention, attention-key-inside, attention-keys, attention-mask, attention-queries, attention-tiles, attention-value-inside, grid, philox
// attention/backward dq (webgpu), in tiles of workgroup memory: for GPUs
// Math      as backward-query.wgsl
// Shapes    as backward-query.wgsl
// Method    per 32 queries, per tile of 32 keys, the prefix first: Q Kᵀ, then dY Vᵀ, CHUNK columns at a time; dscore to
//           workgroup memory; dq += dscore K, 32 columns of K at a time
// Tiling    as forward-tiled.wgsl: a workgroup owns 32 query rows of a head, a thread 4 × 4 of each product.
//           Workgroup memory: 288 CHUNK + 8,704 bytes
// Launch    grid (B H ceil(L / 32)) folded, 8 × 8 threads; HEAD >= D, a multiple of 32
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

@group(0) @binding(0) var<storage, read> dy: array<value>;           // [B,L,H,D]
@group(0) @binding(1) var<storage, read> q: array<value>;            // [B,L,H,D]
@group(0) @binding(2) var<storage, read> k: array<value>;            // [B,S,G,D]
@group(0) @binding(3) var<storage, read> v: array<value>;            // [B,S,G,D]
@group(0) @binding(4) var<storage, read> mask: array<i32>;           // [B,kvCapacity]
@group(0) @binding(5) var<uniform> random: vec4<u32>;                // [4]
@group(0) @binding(6) var<storage, read> lse: array<f32>;            // [B,H,L]
@group(0) @binding(7) var<storage, read_write> dq: array<value>;     // [B,L,H,D]
@group(0) @binding(8) var<storage, read_write> scratch: array<f32>;  // prefix keys and values [P,G,D], delta [B,H,L]
@group(0) @binding(9) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_id) id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = id.xy;
  let tiles = (params.L + TILE - 1u) / TILE;
  let index = folded_index(group, groups);
  let batch = index / tiles / params.H;
  let h = index / tiles % params.H;
  let first = TILE * (index % tiles);
  if (batch >= params.B) {
    return;
  }
  let g = h / (params.H / params.G);
  // Rows past the end repeat the last one.
  let i = min(first + 4u * thread.y + FOUR, vec4(params.L - 1u));
  let rows = four_below(first + 4u * thread.y, params.L);
  let ends = vec4(keys_seen(i.x), keys_seen(i.y), keys_seen(i.z), keys_seen(i.w));
  let end = keys_seen(min(first + TILE, params.L) - 1u);
  let row = lse_row(batch, 0u, h) + i;
  let sums = vec4(lse[row.x], lse[row.y], lse[row.z], lse[row.w]);
  let at = vec4(delta_row(row.x), delta_row(row.y), delta_row(row.z), delta_row(row.w));
  let delta = vec4(scratch[at.x], scratch[at.y], scratch[at.z], scratch[at.w]);

  var result: array<mat4x4<f32>, HEAD / TILE>;

  for (var n = 0u; n < end; n += TILE) {
    let score = multiply(thread, lane, batch, first, h, n, g, 0u);
    let dweight = multiply(thread, lane, batch, first, h, n, g, 1u);

    var factors = mat4x4(vec4(1.0), vec4(1.0), vec4(1.0), vec4(1.0));
    if (params.dropout > 0.0) {
      for (var r = 0u; r < rows; r++) {
        let position = row[r] * (params.P + params.S) + n + 4u * thread.x;
        factors[r] = dropout_factors(position, params.sequence, random, params.dropout);
      }
      factors = transpose(factors);
    }
    var dscore = mat4x4<f32>();
    for (var c = 0u; c < four_below(n + 4u * thread.x, end); c++) {
      let key = n + 4u * thread.x + c;
      let seen = (vec4(key) < ends) & vec4(mask_shows(batch, key));
      let weight = exp(select(vec4(HIDDEN), params.scale * score[c] - sums, seen));
      dscore[c] = weight * (dweight[c] * factors[c] - delta);
    }
    store_inner(thread, dscore);

    for (var part = 0u; part < HEAD / TILE && part * TILE < params.D; part++) {
      for (var e = lane; e < 256u; e += THREADS) {
        let column = part * TILE + 4u * (e % 8u);
        let key = n + e / 8u;
        outer_columns[e] = vec4(
          key_at(batch, key, g, column),
          key_at(batch, key, g, column + 1u),
          key_at(batch, key, g, column + 2u),
          key_at(batch, key, g, column + 3u),
        );
      }
      workgroupBarrier();
      result[part] += multiply_tile(thread, min(TILE, end - n));
      workgroupBarrier();
    }
  }

  for (var r = 0u; r < rows; r++) {
    let query = first + 4u * thread.y + r;
    for (var part = 0u; part < HEAD / TILE && part * TILE < params.D; part++) {
      for (var c = 0u; c < 4u; c++) {
        let d = part * TILE + 4u * thread.x + c;
        if (d < params.D) {
          dq[query_row(batch, query, h) + d] = value(params.scale * result[part][c][r]);
        }
      }
    }
  }
}

// The workgroup's product of 32 queries and 32 keys: q·k for `operands` = 0, dy·v for 1.
fn multiply(
  thread: vec2<u32>,
  lane: u32,
  batch: u32,
  i: u32,
  h: u32,
  n: u32,
  g: u32,
  operands: u32,
) -> mat4x4<f32> {
  var sum = mat4x4<f32>();
  for (var d = 0u; d < params.D; d += CHUNK) {
    for (var e = lane; e < 8u * CHUNK; e += THREADS) {
      let column = e % CHUNK;
      let four = e / CHUNK;
      let to = column * PITCH + four;
      if (operands == 0u) {
        left[to] = queries_at(batch, i + 4u * four, h, d + column);
        right[to] = keys_at(batch, n + 4u * four, g, d + column);
      } else {
        left[to] = dys_at(batch, i + 4u * four, h, d + column);
        right[to] = values_at(batch, n + 4u * four, g, d + column);
      }
    }
    workgroupBarrier();
    sum += multiply_chunk(thread, min(CHUNK, params.D - d));
    workgroupBarrier();
  }
  return sum;
}

// Column d of rows i .. i + 3 of dy; past the last one that again.
fn dys_at(batch: u32, i: u32, h: u32, d: u32) -> vec4<f32> {
  let at = result_row(batch, 0u, h) + min(i + FOUR, vec4(params.L - 1u)) * params.H * params.D + d;
  return vec4<f32>(vec4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]));
}

// Column d of the values of keys n .. n + 3.
fn values_at(batch: u32, n: u32, g: u32, d: u32) -> vec4<f32> {
  return vec4(
    value_at(batch, n, g, d),
    value_at(batch, n + 1u, g, d),
    value_at(batch, n + 2u, g, d),
    value_at(batch, n + 3u, g, d),
  );
}
