// common: attention, attention-keys, grid, philox
// attention/backward dq (webgpu), from storage: for adapters that run on the CPU
// Math      dq[b,i,h,:] = scale sum_n dscore[i,n] k[n,:];  dscore[i,n] = w (r dy[i]·v[n] - delta[i]),
//           w = exp(scale q·k[n] - lse[i]) over the keys that i sees, r the dropout factor, g = h / (H / G)
// Shapes    dy [B,L,H,D] · q, dq [B,L,H,D], k, v [B,S,G,D], layouts in kernels.ts · mask [B,kvCapacity] i32 · random [4] u32
//           lse [B,H,L] f32 · scratch: prefix keys, prefix values [P,G,D], delta [B,H,L] f32
// Method    per tile of keys: q·k and dy·v, four keys at a time, an outer product per d; dscore; then dq += dscore K,
//           eight columns at a time over all keys of the tile
// Tiling    as forward.wgsl: a thread owns four query rows of a head, dq and a tile of dscore in private memory
// Launch    grid (B H ceil(L / 4) / WORKGROUP) folded, WORKGROUP threads; HEAD >= D; PREFIX = 1 where P > 0
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
  let blocks = (params.L + 3u) / 4u;
  let thread = folded_index(group, groups) * WORKGROUP + lane;
  let batch = thread / blocks / params.H;
  let h = thread / blocks % params.H;
  let first = 4u * (thread % blocks);
  if (batch >= params.B) {
    return;
  }
  // Rows past the end repeat the last one.
  let g = h / (params.H / params.G);
  let i = min(first + FOUR, vec4(params.L - 1u));
  let rows = min(4u, params.L - first);
  let ends = vec4(keys_seen(i.x), keys_seen(i.y), keys_seen(i.z), keys_seen(i.w));
  let row = lse_row(batch, 0u, h) + i;
  let positions = row * (params.P + params.S);
  let sums = vec4(lse[row.x], lse[row.y], lse[row.z], lse[row.w]);
  let at = vec4(delta_row(row.x), delta_row(row.y), delta_row(row.z), delta_row(row.w));
  let delta = vec4(scratch[at.x], scratch[at.y], scratch[at.z], scratch[at.w]);

  for (var d = 0u; d < params.D; d++) {
    result[d] = vec4(0.0);
  }

  for (var tile = 0u; tile < ends.w; tile += TILE) {
    let count = min(TILE, ends.w - tile);

    for (var j = 0u; j < count; j += 4u) {
      let products = multiply(batch, h, g, i, tile + j);
      var factors = mat4x4<f32>();
      for (var r = 0u; r < rows; r++) {
        factors[r] = vec4(1.0);
        if (params.dropout > 0.0) {
          factors[r] = dropout_factors(positions[r] + tile + j, params.sequence, random, params.dropout);
        }
      }
      let columns = transpose(factors);
      for (var c = 0u; c < min(4u, count - j); c++) {
        let n = tile + j + c;
        let seen = (vec4(n) < ends) & vec4(mask_shows(batch, n));
        let weight = exp(select(vec4(HIDDEN), params.scale * products.score[c] - sums, seen));
        dscores[j + c] = weight * (products.dweight[c] * columns[c] - delta);
      }
    }

    for (var d = 0u; d < params.D; d += 8u) {
      var a = mat4x4<f32>();
      var b = mat4x4<f32>();
      for (var j = 0u; j < count; j++) {
        let dscore = dscores[j];
        a += outer(dscore, key_at(batch, tile + j, g, d));
        b += outer(dscore, key_at(batch, tile + j, g, d + 4u));
      }
      let columns = array(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]);
      for (var c = 0u; c < min(8u, params.D - d); c++) {
        result[d + c] += columns[c];
      }
    }
  }

  for (var r = 0u; r < rows; r++) {
    let dq_at = query_row(batch, first + r, h);
    for (var d = 0u; d < params.D; d++) {
      dq[dq_at + d] = value(params.scale * result[d][r]);
    }
  }
}

// Of four queries and four keys, keys in columns: q·k, dy·v.
struct Products {
  score: mat4x4<f32>,
  dweight: mat4x4<f32>,
}

// For keys n .. n + 3; past the last key that one again.
fn multiply(batch: u32, h: u32, g: u32, i: vec4<u32>, n: u32) -> Products {
  let q_at = query_row(batch, 0u, h) + i * params.qPitch;
  let dy_at = result_row(batch, 0u, h) + i * params.H * params.D;
  let keys = min(n + FOUR, vec4(params.P + params.S - 1u));
  let own_at = (batch * params.kvCapacity + keys - params.P) * params.kvPitch + g * params.D;
  let prefix_at = (keys * params.G + g) * params.D;
  var score = mat4x4<f32>();
  var dweight = mat4x4<f32>();
  for (var d = 0u; d < params.D; d++) {
    let q_d = vec4<f32>(vec4(q[q_at.x + d], q[q_at.y + d], q[q_at.z + d], q[q_at.w + d]));
    let dy_d = vec4<f32>(vec4(dy[dy_at.x + d], dy[dy_at.y + d], dy[dy_at.z + d], dy[dy_at.w + d]));
    let k_at = own_at + params.kOffset + d;
    let v_at = own_at + params.vOffset + d;
    var k_d = vec4<f32>(vec4(k[k_at.x], k[k_at.y], k[k_at.z], k[k_at.w]));
    var v_d = vec4<f32>(vec4(v[v_at.x], v[v_at.y], v[v_at.z], v[v_at.w]));
    if (PREFIX == 1u) {
      k_d = select(k_d, scratch4(prefix_at + d), keys < vec4(params.P));
      v_d = select(v_d, scratch4(prefix_at + prefix_row(params.P, 0u) + d), keys < vec4(params.P));
    }
    score += outer(q_d, k_d);
    dweight += outer(dy_d, v_d);
  }
  return Products(score, dweight);
}

fn scratch4(at: vec4<u32>) -> vec4<f32> {
  return vec4(scratch[at.x], scratch[at.y], scratch[at.z], scratch[at.w]);
}

// Columns d .. d + 3 of key n.
fn key_at(batch: u32, n: u32, g: u32, d: u32) -> vec4<f32> {
  let at = params.kOffset + key_row(batch, n, g) + d;
  let own = vec4<f32>(vec4(k[at], k[at + 1u], k[at + 2u], k[at + 3u]));
  if (PREFIX == 0u) {
    return own;
  }
  return select(own, scratch4(prefix_row(n, g) + d + FOUR), n < params.P);
}
