// common: attention, attention-key, attention-keys, attention-mask, attention-products, grid, lanes, philox
// attention/backward dq (webgpu), from storage: for adapters that run on the CPU
// Math      dq[b,i,h,:] = scale sum_n dscore[i,n] k[n,:];  dscore[i,n] = w (r dy[i]·v[n] - delta[i]),
//           w = exp(scale q·k[n] - lse[i]) over the keys that i sees, r the dropout factor, g = h / (H / G)
// Shapes    dy [B,L,H,D] · q, dq [B,L,H,D], k, v [B,S,G,D], layouts in kernels.ts · mask [B,kvCapacity] i32 · random [4] u32
//           lse [B,H,L] f32 · scratch: prefix keys, prefix values [P,G,D], delta [B,H,L] f32
// Method    per tile of keys: q·k, sixteen keys at a time, an outer product per d; weights; dy·v likewise; dscore; then
//           dq += dscore K, sixteen columns at a time over all keys of the tile
// Tiling    as forward.wgsl: a thread owns four query rows of the workgroup's head, dq and a tile of dscore in private
//           memory, and shares elements of k and v with its subgroup
// Launch    grid (B H ceil(L / (4 WORKGROUP))) folded, WORKGROUP threads; HEAD >= D, a multiple of 16; TILE one of 16;
//           PREFIX = 1 where P > 0
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

@group(0) @binding(0) var<storage, read> dy: array<value>;            // [B,L,H,D]
@group(0) @binding(1) var<storage, read> q: array<value>;             // [B,L,H,D]
@group(0) @binding(2) var<storage, read> k: array<value>;             // [B,S,G,D]
@group(0) @binding(3) var<storage, read> v: array<value>;             // [B,S,G,D]
@group(0) @binding(4) var<storage, read> mask: array<i32>;            // [B,kvCapacity]
@group(0) @binding(5) var<uniform> random: vec4<u32>;                 // [4]
@group(0) @binding(6) var<storage, read> lse: array<f32>;             // [B,H,L]
@group(0) @binding(7) var<storage, read_write> dq: array<value>;      // [B,L,H,D]
@group(0) @binding(8) var<storage, read_write> scratch: array<f32>;   // prefix keys and values [P,G,D], delta [B,H,L]
@group(0) @binding(9) var<uniform> params: Params;

// Of the thread's four rows: dq / scale, and dscore of a tile of keys.
var<private> result: array<vec4<f32>, HEAD>;
var<private> dscores: array<vec4<f32>, TILE>;

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
  let q_at = query_row(batch, 0u, h) + i * params.qPitch;
  let dy_at = result_row(batch, 0u, h) + i * params.H * params.D;
  let row = lse_row(batch, 0u, h) + i;
  let positions = row * (params.P + params.S);
  let sums = vec4(lse[row.x], lse[row.y], lse[row.z], lse[row.w]);
  let at = vec4(delta_row(row.x), delta_row(row.y), delta_row(row.z), delta_row(row.w));
  let delta = vec4(scratch[at.x], scratch[at.y], scratch[at.z], scratch[at.w]);

  for (var d = 0u; d < params.D; d++) {
    result[d] = vec4(0.0);
  }

  for (var tile = 0u; tile < end; tile += TILE) {
    let count = min(TILE, end - tile);

    for (var j = 0u; j < count; j += 16u) {
      let scores = multiply(q_at, batch, g, tile + j + sharing, 0u);
      for (var s = 0u; s < 4u; s++) {
        for (var c = 0u; c < 4u; c++) {
          dscores[j + 4u * s + c] = scores[s][c];
        }
      }
    }
    for (var j = 0u; j < count; j++) {
      let n = tile + j;
      let seen = (vec4(n) < ends) & vec4(mask_shows(batch, n));
      dscores[j] = exp(select(vec4(HIDDEN), params.scale * dscores[j] - sums, seen));
    }
    for (var j = 0u; j < count; j += 16u) {
      let dweights = multiply(dy_at, batch, g, tile + j + sharing, 1u);
      for (var s = 0u; s < 4u; s++) {
        var factors = mat4x4(vec4(1.0), vec4(1.0), vec4(1.0), vec4(1.0));
        if (params.dropout > 0.0) {
          for (var r = 0u; r < 4u; r++) {
            factors[r] = dropout_factors(positions[r] + tile + j + 4u * s, params.sequence, random, params.dropout);
          }
          factors = transpose(factors);
        }
        for (var c = 0u; c < 4u; c++) {
          dscores[j + 4u * s + c] *= dweights[s][c] * factors[c] - delta;
        }
      }
    }

    for (var d = 0u; d < params.D; d += 16u) {
      var columns = array<mat4x4<f32>, 4>();
      for (var j = 0u; j < count; j++) {
        let dscore = dscores[j];
        for (var s = 0u; s < 4u; s++) {
          columns[s] += outer(dscore, of_four_lanes(key_at(batch, tile + j, g, d + 4u * s + sharing)));
        }
      }
      for (var s = 0u; s < 4u; s++) {
        for (var c = 0u; c < 4u; c++) {
          result[d + 4u * s + c] += columns[s][c];
        }
      }
    }
  }

  for (var r = 0u; r < four_below(first, params.L); r++) {
    let dq_at = query_row(batch, first + r, h);
    for (var d = 0u; d < params.D; d++) {
      dq[dq_at + d] = value(params.scale * result[d][r]);
    }
  }
}
