// common: attention, attention-key, attention-keys, attention-mask, attention-value, grid, lanes, philox
// attention/forward (webgpu), from storage: for adapters that run on the CPU
// Math      y[b,i,h,:] = sum_n p[i,n] r[i,n] v[n,:];  p[i,n] = exp(scale q·k[n] - lse[i]) over the keys that i sees,
//           r the dropout factor, g = h / (H / G);  lse = log sum_n exp(scale q·k[n])
// Shapes    q, y [B,L,H,D] · k, v [B,S,G,D], layouts in kernels.ts · mask [B,kvCapacity] i32 · random [4] u32 · lse [B,H,L] f32
//           scratch: prefix keys, prefix values [P,G,D] f32 (prefix.wgsl)
// Method    per tile of keys, the prefix first:
//             scores, sixteen keys at a time, an outer product per d; new maximum; weights exp(score - maximum); dropout;
//             y = y exp(old - new maximum) + weights V, sixteen columns at a time over all keys of the tile
// Tiling    a thread owns four query rows of the workgroup's head; y and a tile of weights lie in its private memory, sums
//           in registers. Such an adapter runs a private or storage access lane by lane, so the lanes of a subgroup share
//           the elements of k and v that all of them need (lanes.wgsl): eight accesses for 64 multiply-adds. Barriers are
//           dearer still, so there is no workgroup memory.
// Launch    grid (B H ceil(L / (4 WORKGROUP))) folded, WORKGROUP threads; HEAD >= D, a multiple of 16; TILE one of 16;
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

// Of the thread's four rows: y before it is divided by the sum, and the weights of a tile of keys.
var<private> result: array<vec4<f32>, HEAD>;
var<private> weights: array<vec4<f32>, TILE>;

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

  for (var d = 0u; d < params.D; d++) {
    result[d] = vec4(0.0);
  }
  var highest = vec4(FLOOR);
  var sum = vec4(0.0);

  for (var tile = 0u; tile < end; tile += TILE) {
    let count = min(TILE, end - tile);

    for (var j = 0u; j < count; j += 16u) {
      score(batch, h, g, i, tile, j, sharing);
    }
    var raised = highest;
    for (var j = 0u; j < count; j++) {
      let n = tile + j;
      let seen = (vec4(n) < ends) & vec4(mask_shows(batch, n));
      let visible = select(vec4(HIDDEN), params.scale * weights[j], seen);
      weights[j] = visible;
      raised = max(raised, visible);
    }

    let correction = exp(highest - raised);
    highest = raised;
    sum *= correction;
    for (var j = 0u; j < count; j++) {
      let weight = exp(weights[j] - raised);
      weights[j] = weight;
      sum += weight;
    }
    if (params.dropout > 0.0) {
      drop(positions + tile, count);
    }

    for (var d = 0u; d < params.D; d += 16u) {
      var columns = array<mat4x4<f32>, 4>();
      for (var j = 0u; j < count; j++) {
        let weight = weights[j];
        for (var s = 0u; s < 4u; s++) {
          columns[s] += outer(weight, of_four_lanes(value_at(batch, tile + j, g, d + 4u * s + sharing)));
        }
      }
      for (var s = 0u; s < 4u; s++) {
        for (var c = 0u; c < 4u; c++) {
          result[d + 4u * s + c] = result[d + 4u * s + c] * correction + columns[s][c];
        }
      }
    }
  }

  let inverse = select(1.0 / sum, vec4(0.0), sum == vec4(0.0));
  let logarithm = select(highest + log(sum), vec4(NO_KEYS), sum == vec4(0.0));
  for (var r = 0u; r < four_below(first, params.L); r++) {
    let y_at = result_row(batch, first + r, h);
    for (var d = 0u; d < params.D; d++) {
      y[y_at + d] = value(result[d][r] * inverse[r]);
    }
    lse[lse_row(batch, first + r, h)] = logarithm[r];
  }
}

// q·k of four queries and keys tile + j .. tile + j + 15 into their places in `weights`; past the last key that one again.
fn score(batch: u32, h: u32, g: u32, i: vec4<u32>, tile: u32, j: u32, sharing: u32) {
  let q_at = query_row(batch, 0u, h) + i * params.qPitch;
  let keys = min(tile + j + sharing + 4u * FOUR, vec4(params.P + params.S - 1u));
  // Initial values said: without, variables of a loop have kept those of the iteration before (Dawn on lavapipe).
  var sums = array<mat4x4<f32>, 4>();
  for (var d = 0u; d < params.D; d++) {
    let q_d = vec4<f32>(vec4(q[q_at.x + d], q[q_at.y + d], q[q_at.z + d], q[q_at.w + d]));
    for (var s = 0u; s < 4u; s++) {
      sums[s] += outer(q_d, of_four_lanes(key_at(batch, keys[s], g, d)));
    }
  }
  for (var s = 0u; s < 4u; s++) {
    for (var c = 0u; c < 4u; c++) {
      weights[j + 4u * s + c] = sums[s][c];
    }
  }
}

// Dropout of a tile of weights; `positions`: of each row at the tile's first key.
fn drop(positions: vec4<u32>, count: u32) {
  for (var j = 0u; j < count; j += 4u) {
    var factors = mat4x4<f32>();
    for (var r = 0u; r < 4u; r++) {
      factors[r] = dropout_factors(positions[r] + j, params.sequence, random, params.dropout);
    }
    let columns = transpose(factors);
    for (var c = 0u; c < min(4u, count - j); c++) {
      weights[j + c] *= columns[c];
    }
  }
}
