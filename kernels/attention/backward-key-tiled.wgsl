// common: attention, attention-keys, attention-mask, attention-queries, attention-tiles, grid, philox
// attention/backward dk, or dv, of the keys or of the prefix (webgpu), in tiles of workgroup memory: for GPUs
// Math      as backward-key.wgsl
// Shapes    as backward-key.wgsl
// Method    per 32 keys, per batch row and head, per tile of 32 queries: K Qᵀ (and V dYᵀ), CHUNK columns at a time; w r or
//           dscore to workgroup memory; dkv += that times dY or Q, 32 columns at a time. A launch for each gradient, for
//           the reason told in backward-key.wgsl.
// Tiling    as forward-tiled.wgsl: a workgroup owns 32 keys of a group, a thread 4 × 4 of each product.
//           Workgroup memory: 288 CHUNK + 8,704 bytes
// Launch    grid (B G ceil(S / 32)), or (G ceil(P / 32)) for the PREFIX, folded; 8 × 8 threads; OF = 0 for dv, 1 for dk;
//           HEAD >= D, a multiple of 32
// Numerics  f32, in the order of batch rows, heads, queries; a key that nothing sees gets 0
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
@group(0) @binding(7) var<storage, read_write> dkv: array<value>;    // dk or dv, [B,S,G,D] or [P,G,D]
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
  let keys = select(params.S, params.P, PREFIX == 1u);
  let tiles = (keys + TILE - 1u) / TILE;
  let index = folded_index(group, groups);
  let own_batch = index / tiles / params.G;
  let g = index / tiles % params.G;
  let first = TILE * (index % tiles);
  if (own_batch >= select(params.B, 1u, PREFIX == 1u)) {
    return;
  }
  let before = select(params.P, 0u, PREFIX == 1u);
  // Keys past the end repeat the last one.
  let n = before + min(first + 4u * thread.y + FOUR, vec4(keys - 1u));

  var result: array<mat4x4<f32>, HEAD / TILE>;

  let heads = params.H / params.G;
  let rows = select(heads, params.B * heads, PREFIX == 1u);
  for (var r = 0u; r < rows; r++) {
    let batch = own_batch + r / heads;
    let h = g * heads + r % heads;
    let shown = vec4(mask_shows(batch, n.x), mask_shows(batch, n.y), mask_shows(batch, n.z), mask_shows(batch, n.w));
    for (var i = first_query(before + first); i < params.L; i += TILE) {
      let score = multiply(thread, lane, batch, first, g, i, h, 0u);
      var dweight = mat4x4<f32>();
      if (OF == 1u) {
        dweight = multiply(thread, lane, batch, first, g, i, h, 1u);
      }

      var weights = mat4x4<f32>();
      for (var c = 0u; c < four_below(i + 4u * thread.x, params.L); c++) {
        let query = i + 4u * thread.x + c;
        let row = lse_row(batch, query, h);
        let seen = shown & (n < vec4(keys_seen(query)));
        let weight = exp(select(vec4(HIDDEN), params.scale * score[c] - lse[row], seen));
        var factor = vec4(1.0);
        if (params.dropout > 0.0) {
          let position = row * (params.P + params.S) + n.x;
          factor = dropout_factors(position, params.sequence, random, params.dropout);
        }
        if (OF == 0u) {
          weights[c] = weight * factor;
        } else {
          weights[c] = weight * (factor * dweight[c] - scratch[delta_row(row)]);
        }
      }
      store_inner(thread, weights);

      for (var part = 0u; part < HEAD / TILE && part * TILE < params.D; part++) {
        for (var e = lane; e < 256u; e += THREADS) {
          outer_columns[e] = row_at(batch, i + e / 8u, h, part * TILE + 4u * (e % 8u));
        }
        workgroupBarrier();
        result[part] += multiply_tile(thread, min(TILE, params.L - i));
        workgroupBarrier();
      }
    }
  }

  for (var r = 0u; r < four_below(first + 4u * thread.y, keys); r++) {
    let key = first + 4u * thread.y + r;
    var at = prefix_row(key, g);
    if (PREFIX == 0u) {
      at = key_row(own_batch, params.P + key, g) + select(params.kOffset, params.vOffset, OF == 0u);
    }
    for (var part = 0u; part < HEAD / TILE && part * TILE < params.D; part++) {
      for (var c = 0u; c < 4u; c++) {
        let d = part * TILE + 4u * thread.x + c;
        if (d < params.D) {
          dkv[at + d] = value(select(params.scale, 1.0, OF == 0u) * result[part][c][r]);
        }
      }
    }
  }
}

// The workgroup's product of 32 keys and 32 queries: k·q for `operands` = 0, v·dy for 1.
fn multiply(
  thread: vec2<u32>,
  lane: u32,
  batch: u32,
  key: u32,
  g: u32,
  i: u32,
  h: u32,
  operands: u32,
) -> mat4x4<f32> {
  var sum = mat4x4<f32>();
  for (var d = 0u; d < params.D; d += CHUNK) {
    for (var e = lane; e < 8u * CHUNK; e += THREADS) {
      let column = e % CHUNK;
      let four = e / CHUNK;
      let to = column * PITCH + four;
      if (operands == 0u) {
        left[to] = keys_at(batch, key + 4u * four, g, d + column);
        right[to] = queries_at(batch, i + 4u * four, h, d + column);
      } else {
        left[to] = values_at(batch, key + 4u * four, g, d + column);
        right[to] = dys_at(batch, i + 4u * four, h, d + column);
      }
    }
    workgroupBarrier();
    sum += multiply_chunk(thread, min(CHUNK, params.D - d));
    workgroupBarrier();
  }
  return sum;
}

// Where rows of four keys, of the prefix or of k less its offset, start; past the last one that again.
fn key_rows(batch: u32, key: u32, g: u32) -> vec4<u32> {
  if (PREFIX == 1u) {
    return (min(key + FOUR, vec4(params.P - 1u)) * params.G + g) * params.D;
  }
  return (batch * params.kvCapacity + min(key + FOUR, vec4(params.S - 1u))) * params.kvPitch + g * params.D;
}

// Column d of keys key .. key + 3.
fn keys_at(batch: u32, key: u32, g: u32, d: u32) -> vec4<f32> {
  let at = key_rows(batch, key, g) + select(params.kOffset, 0u, PREFIX == 1u) + d;
  return vec4<f32>(vec4(k[at.x], k[at.y], k[at.z], k[at.w]));
}

fn values_at(batch: u32, key: u32, g: u32, d: u32) -> vec4<f32> {
  let at = key_rows(batch, key, g) + select(params.vOffset, 0u, PREFIX == 1u) + d;
  return vec4<f32>(vec4(v[at.x], v[at.y], v[at.z], v[at.w]));
}

// Column d of rows i .. i + 3 of dy; past the last one that again.
fn dys_at(batch: u32, i: u32, h: u32, d: u32) -> vec4<f32> {
  let at = result_row(batch, 0u, h) + min(i + FOUR, vec4(params.L - 1u)) * params.H * params.D + d;
  return vec4<f32>(vec4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]));
}

// Columns d .. d + 3 of query i, or of the last one: of dy for dv, of q for dk.
fn row_at(batch: u32, i: u32, h: u32, d: u32) -> vec4<f32> {
  let query = min(i, params.L - 1u);
  if (OF == 0u) {
    let at = result_row(batch, query, h) + d;
    return vec4<f32>(vec4(dy[at], dy[at + 1u], dy[at + 2u], dy[at + 3u]));
  }
  let at = query_row(batch, query, h) + d;
  return vec4<f32>(vec4(q[at], q[at + 1u], q[at + 2u], q[at + 3u]));
}
