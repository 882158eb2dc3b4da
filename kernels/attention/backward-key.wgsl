// common: attention, attention-keys, attention-mask, grid, lanes, philox
// attention/backward dk, or dv, of the keys or of the prefix (webgpu), from storage: for adapters that run on the CPU
// Math      dv[n,:] = sum_i w r dy[i,:];  dk[n,:] = scale sum_i dscore[i,n] q[i,:], dscore[i,n] = w (r dy[i]·v[n] - delta[i]);
//           w = exp(scale q·k[n] - lse[i]) where i sees n, r the dropout factor; sums over the heads of a group, and for
//           the prefix over the batch
// Shapes    dy, q [B,L,H,D] · k, v, dkv [B,S,G,D], layouts in kernels.ts, or [P,G,D] · mask [B,kvCapacity] i32 · random [4] u32
//           lse [B,H,L] f32 · scratch: behind the prefix delta [B,H,L] f32
// Method    per batch row and head, per tile of queries: k·q, sixteen queries at a time; weights; v·dy likewise; w r or
//           dscore; then dkv += that times dy or q, sixteen columns at a time over all queries of the tile.
//           Each gradient is a launch of its own: dk and dv may be one packed buffer, which WebGPU lets a dispatch bind
//           once only. The price is one product in eight, q·k again; together they would need the registers of both.
// Tiling    as forward.wgsl: a thread owns four keys of the workgroup's group, dkv and a tile of weights in private memory,
//           and shares elements of q and dy with its subgroup
// Launch    grid (B G ceil(S / (4 WORKGROUP))), or (G ceil(P / (4 WORKGROUP))) for the PREFIX, folded; WORKGROUP threads;
//           OF = 0 for dv, 1 for dk; HEAD >= D, a multiple of 16; TILE one of 16
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

@group(0) @binding(0) var<storage, read> dy: array<value>;            // [B,L,H,D]
@group(0) @binding(1) var<storage, read> q: array<value>;             // [B,L,H,D]
@group(0) @binding(2) var<storage, read> k: array<value>;             // [B,S,G,D] or [P,G,D]
@group(0) @binding(3) var<storage, read> v: array<value>;             // [B,S,G,D] or [P,G,D]
@group(0) @binding(4) var<storage, read> mask: array<i32>;            // [B,kvCapacity]
@group(0) @binding(5) var<uniform> random: vec4<u32>;                 // [4]
@group(0) @binding(6) var<storage, read> lse: array<f32>;             // [B,H,L]
@group(0) @binding(7) var<storage, read_write> dkv: array<value>;     // dk or dv, [B,S,G,D] or [P,G,D]
@group(0) @binding(8) var<storage, read_write> scratch: array<f32>;   // prefix keys and values [P,G,D], delta [B,H,L]
@group(0) @binding(9) var<uniform> params: Params;

// Of the thread's four keys: dkv, dk not yet scaled, and the weights of a tile of queries.
var<private> result: array<vec4<f32>, HEAD>;
var<private> weights: array<vec4<f32>, TILE>;
// For dk, the weights while v·dy takes their place.
var<private> shares: array<vec4<f32>, TILE>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let keys = select(params.S, params.P, PREFIX == 1u);
  let blocks = (keys + 4u * WORKGROUP - 1u) / (4u * WORKGROUP);
  let index = folded_index(group, groups);
  let own_batch = index / blocks / params.G;
  let g = index / blocks % params.G;
  let block = 4u * WORKGROUP * (index % blocks);
  if (own_batch >= select(params.B, 1u, PREFIX == 1u)) {
    return;
  }
  // Keys past the end repeat the last one. All lanes walk over the queries that see the first key of the workgroup.
  let first = block + 4u * lane;
  let key = min(first + FOUR, vec4(keys - 1u));
  let before = select(params.P, 0u, PREFIX == 1u);
  let n = key + before;
  let sharing = lane_of_four();

  for (var d = 0u; d < params.D; d++) {
    result[d] = vec4(0.0);
  }

  let heads = params.H / params.G;
  let rows = select(heads, params.B * heads, PREFIX == 1u);
  for (var r = 0u; r < rows; r++) {
    let batch = own_batch + r / heads;
    let h = g * heads + r % heads;
    let shown = vec4(mask_shows(batch, n.x), mask_shows(batch, n.y), mask_shows(batch, n.z), mask_shows(batch, n.w));
    for (var tile = first_query(before + block); tile < params.L; tile += TILE) {
      let count = min(TILE, params.L - tile);

      for (var j = 0u; j < count; j += 16u) {
        multiply(batch, h, g, key, tile, j, sharing, 0u);
      }
      for (var j = 0u; j < count; j++) {
        let row = lse_row(batch, tile + j, h);
        let seen = shown & (n < vec4(keys_seen(tile + j)));
        weights[j] = exp(select(vec4(HIDDEN), params.scale * weights[j] - lse[row], seen));
      }
      if (OF == 1u) {
        for (var j = 0u; j < count; j++) {
          shares[j] = weights[j];
        }
        for (var j = 0u; j < count; j += 16u) {
          multiply(batch, h, g, key, tile, j, sharing, 1u);
        }
      }
      for (var j = 0u; j < count; j++) {
        let row = lse_row(batch, tile + j, h);
        var factor = vec4(1.0);
        if (params.dropout > 0.0) {
          let position = row * (params.P + params.S) + n.x;
          factor = dropout_factors(position, params.sequence, random, params.dropout);
        }
        if (OF == 0u) {
          weights[j] *= factor;
        } else {
          weights[j] = shares[j] * (factor * weights[j] - scratch[delta_row(row)]);
        }
      }

      for (var d = 0u; d < params.D; d += 16u) {
        var columns = array<mat4x4<f32>, 4>();
        for (var j = 0u; j < count; j++) {
          let weight = weights[j];
          for (var s = 0u; s < 4u; s++) {
            columns[s] += outer(weight, of_four_lanes(row_at(batch, tile + j, h, d + 4u * s + sharing)));
          }
        }
        for (var s = 0u; s < 4u; s++) {
          for (var c = 0u; c < 4u; c++) {
            result[d + 4u * s + c] += columns[s][c];
          }
        }
      }
    }
  }

  for (var r = 0u; r < four_below(first, keys); r++) {
    var at = prefix_row(first + r, g);
    if (PREFIX == 0u) {
      at = key_row(own_batch, params.P + first + r, g) + select(params.kOffset, params.vOffset, OF == 0u);
    }
    for (var d = 0u; d < params.D; d++) {
      dkv[at + d] = value(select(params.scale, 1.0, OF == 0u) * result[d][r]);
    }
  }
}

// Four keys times queries tile + j .. tile + j + 15 (`side` = 0), or their values times dy (1), into their places in
// `weights`; past the last query that one again.
fn multiply(batch: u32, h: u32, g: u32, key: vec4<u32>, tile: u32, j: u32, sharing: u32, side: u32) {
  let queries = min(tile + j + sharing + 4u * FOUR, vec4(params.L - 1u));
  var at = (key * params.G + g) * params.D;
  if (PREFIX == 0u) {
    let offset = select(params.kOffset, params.vOffset, side == 1u);
    at = offset + (batch * params.kvCapacity + key) * params.kvPitch + g * params.D;
  }
  var sums = array<mat4x4<f32>, 4>();
  for (var d = 0u; d < params.D; d++) {
    if (side == 0u) {
      let own = vec4<f32>(vec4(k[at.x + d], k[at.y + d], k[at.z + d], k[at.w + d]));
      for (var s = 0u; s < 4u; s++) {
        sums[s] += outer(own, of_four_lanes(f32(q[query_row(batch, queries[s], h) + d])));
      }
    } else {
      let own = vec4<f32>(vec4(v[at.x + d], v[at.y + d], v[at.z + d], v[at.w + d]));
      for (var s = 0u; s < 4u; s++) {
        sums[s] += outer(own, of_four_lanes(f32(dy[result_row(batch, queries[s], h) + d])));
      }
    }
  }
  for (var s = 0u; s < 4u; s++) {
    for (var c = 0u; c < 4u; c++) {
      weights[j + 4u * s + c] = sums[s][c];
    }
  }
}

// Column d of query i: of dy for dv, of q for dk.
fn row_at(batch: u32, i: u32, h: u32, d: u32) -> f32 {
  if (OF == 0u) {
    return f32(dy[result_row(batch, i, h) + d]);
  }
  return f32(q[query_row(batch, i, h) + d]);
}
