// common: attention, attention-keys, grid, philox
// attention/backward dk, or dv, of the keys or of the prefix (webgpu), from storage: for adapters that run on the CPU
// Math      dv[n,:] = sum_i w r dy[i,:];  dk[n,:] = scale sum_i dscore[i,n] q[i,:], dscore[i,n] = w (r dy[i]·v[n] - delta[i]);
//           w = exp(scale q·k[n] - lse[i]) where i sees n, r the dropout factor; sums over the heads of a group, and for
//           the prefix over the batch
// Shapes    dy, q [B,L,H,D] · k, v, dkv [B,S,G,D], layouts in kernels.ts, or [P,G,D] · mask [B,kvCapacity] i32 · random [4] u32
//           lse [B,H,L] f32 · scratch: behind the prefix delta [B,H,L] f32
// Method    per batch row and head, per tile of queries: k·q (and v·dy), four queries at a time; w r or dscore; then
//           dkv += that times dy or q, eight columns at a time over all queries of the tile.
//           Each gradient is a launch of its own: dk and dv may be one packed buffer, which WebGPU lets a dispatch bind
//           once only. The price is one product in eight, q·k again; together they would need the registers of both.
// Tiling    as forward.wgsl: a thread owns four keys, dkv and a tile of weights in private memory
// Launch    grid (B G ceil(S / 4) / WORKGROUP), or (G ceil(P / 4) / WORKGROUP) for the PREFIX, folded; WORKGROUP threads;
//           OF = 0 for dv, 1 for dk; HEAD >= D
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

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let keys = select(params.S, params.P, PREFIX == 1u);
  let blocks = (keys + 3u) / 4u;
  let thread = folded_index(group, groups) * WORKGROUP + lane;
  let own_batch = thread / blocks / params.G;
  let g = thread / blocks % params.G;
  let first = 4u * (thread % blocks);
  if (own_batch >= select(params.B, 1u, PREFIX == 1u)) {
    return;
  }
  // Keys past the end repeat the last one.
  let key = min(first + FOUR, vec4(keys - 1u));
  let n = key + select(params.P, 0u, PREFIX == 1u);

  for (var d = 0u; d < params.D; d++) {
    result[d] = vec4(0.0);
  }

  let heads = params.H / params.G;
  let rows = select(heads, params.B * heads, PREFIX == 1u);
  for (var r = 0u; r < rows; r++) {
    let batch = own_batch + r / heads;
    let h = g * heads + r % heads;
    let shown = vec4(mask_shows(batch, n.x), mask_shows(batch, n.y), mask_shows(batch, n.z), mask_shows(batch, n.w));
    for (var tile = first_query(n.x); tile < params.L; tile += TILE) {
      let count = min(TILE, params.L - tile);

      for (var j = 0u; j < count; j += 4u) {
        let products = multiply(batch, h, g, key, tile + j);
        for (var c = 0u; c < min(4u, count - j); c++) {
          let i = tile + j + c;
          let row = lse_row(batch, i, h);
          let seen = shown & (n < vec4(keys_seen(i)));
          let weight = exp(select(vec4(HIDDEN), params.scale * products.score[c] - lse[row], seen));
          var factor = vec4(1.0);
          if (params.dropout > 0.0) {
            let position = row * (params.P + params.S) + n.x;
            factor = dropout_factors(position, params.sequence, random, params.dropout);
          }
          if (OF == 0u) {
            weights[j + c] = weight * factor;
          } else {
            weights[j + c] = weight * (factor * products.dweight[c] - scratch[delta_row(row)]);
          }
        }
      }

      for (var d = 0u; d < params.D; d += 8u) {
        var a = mat4x4<f32>();
        var b = mat4x4<f32>();
        for (var j = 0u; j < count; j++) {
          let weight = weights[j];
          a += outer(weight, row_at(batch, tile + j, h, d));
          b += outer(weight, row_at(batch, tile + j, h, d + 4u));
        }
        let columns = array(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]);
        for (var c = 0u; c < min(8u, params.D - d); c++) {
          result[d + c] += columns[c];
        }
      }
    }
  }

  for (var r = 0u; r < min(4u, keys - first); r++) {
    var at = prefix_row(first + r, g);
    if (PREFIX == 0u) {
      at = key_row(own_batch, params.P + first + r, g) + select(params.kOffset, params.vOffset, OF == 0u);
    }
    for (var d = 0u; d < params.D; d++) {
      dkv[at + d] = value(select(params.scale, 1.0, OF == 0u) * result[d][r]);
    }
  }
}

// Of four keys and four queries, queries in columns: k·q, v·dy.
struct Products {
  score: mat4x4<f32>,
  dweight: mat4x4<f32>,
}

// For queries i .. i + 3; past the last one that again.
fn multiply(batch: u32, h: u32, g: u32, key: vec4<u32>, i: u32) -> Products {
  let queries = min(i + FOUR, vec4(params.L - 1u));
  let q_at = query_row(batch, 0u, h) + queries * params.qPitch;
  let dy_at = result_row(batch, 0u, h) + queries * params.H * params.D;
  var k_at = (key * params.G + g) * params.D;
  var v_at = k_at;
  if (PREFIX == 0u) {
    let at = (batch * params.kvCapacity + key) * params.kvPitch + g * params.D;
    k_at = params.kOffset + at;
    v_at = params.vOffset + at;
  }
  var score = mat4x4<f32>();
  var dweight = mat4x4<f32>();
  for (var d = 0u; d < params.D; d++) {
    let k_d = vec4<f32>(vec4(k[k_at.x + d], k[k_at.y + d], k[k_at.z + d], k[k_at.w + d]));
    score += outer(k_d, vec4<f32>(vec4(q[q_at.x + d], q[q_at.y + d], q[q_at.z + d], q[q_at.w + d])));
    if (OF == 1u) {
      let v_d = vec4<f32>(vec4(v[v_at.x + d], v[v_at.y + d], v[v_at.z + d], v[v_at.w + d]));
      dweight += outer(v_d, vec4<f32>(vec4(dy[dy_at.x + d], dy[dy_at.y + d], dy[dy_at.z + d], dy[dy_at.w + d])));
    }
  }
  return Products(score, dweight);
}

// Columns d .. d + 3 of query i: of dy for dv, of q for dk.
fn row_at(batch: u32, i: u32, h: u32, d: u32) -> vec4<f32> {
  if (OF == 0u) {
    let at = result_row(batch, i, h) + d;
    return vec4<f32>(vec4(dy[at], dy[at + 1u], dy[at + 2u], dy[at + 3u]));
  }
  let at = query_row(batch, i, h) + d;
  return vec4<f32>(vec4(q[at], q[at + 1u], q[at + 2u], q[at + 3u]));
}
