// common: attention, attention-key-inside, attention-keys, attention-mask, attention-queries, attention-tiles, attention-value-inside, grid, philox
// attention/forward (webgpu), in tiles of workgroup memory: for GPUs
// Math      as forward.wgsl
// Shapes    as forward.wgsl
// Method    per 32 queries, per tile of 32 keys, the prefix first:
//             scores = Q Kᵀ, CHUNK columns of both in workgroup memory at a time
//             maximum per row, joined by the eight threads of a row; weights exp(score - maximum); dropout
//             weights to workgroup memory; y = y exp(old - new maximum) + weights V, 32 columns of V at a time
//           A thread adds up the weights of its own columns; they are joined once, at the end.
// Tiling    a workgroup owns 32 query rows of a head, a thread 4 rows × 4 columns of each product: two loads of four
//           values from workgroup memory for sixteen multiply-adds. Workgroup memory: 288 CHUNK + 9,728 bytes (14,336
//           at 16, below the 16 KiB that every adapter has). y lies in HEAD / 2 registers of each thread.
// Launch    grid (B H ceil(L / 32)) folded, 8 × 8 threads; HEAD >= D, a multiple of 32 that bounds the loops over y
// Numerics  f32; weights of a row are added per thread, then over threads x = 0 .. 7; a row that sees no key: y = 0,
//           lse = 1e30 (NO_KEYS)
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
@group(0) @binding(5) var<storage, read_write> y: array<value>;      // [B,L,H,D]
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;      // [B,H,L]
@group(0) @binding(7) var<storage, read_write> scratch: array<f32>;  // prefix keys, prefix values [P,G,D]
@group(0) @binding(8) var<uniform> params: Params;

// Of each row, one value per thread of it.
var<workgroup> shares: array<vec4<f32>, THREADS>;  // [x][four rows]

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
  let positions = (lse_row(batch, 0u, h) + i) * (params.P + params.S);

  var result: array<mat4x4<f32>, HEAD / TILE>;
  var highest = vec4(FLOOR);
  var sum = vec4(0.0);

  for (var n = 0u; n < end; n += TILE) {
    var score = mat4x4<f32>();
    for (var d = 0u; d < params.D; d += CHUNK) {
      for (var e = lane; e < 8u * CHUNK; e += THREADS) {
        let column = e % CHUNK;
        let four = e / CHUNK;
        left[column * PITCH + four] = queries_at(batch, first + 4u * four, h, d + column);
        right[column * PITCH + four] = keys_at(batch, n + 4u * four, g, d + column);
      }
      workgroupBarrier();
      score += multiply_chunk(thread, min(CHUNK, params.D - d));
      workgroupBarrier();
    }

    var raised = vec4(FLOOR);
    for (var c = 0u; c < 4u; c++) {
      let key = n + 4u * thread.x + c;
      let seen = (vec4(key) < ends) & vec4(key < end && mask_shows(batch, key));
      score[c] = select(vec4(HIDDEN), params.scale * score[c], seen);
      raised = max(raised, score[c]);
    }
    shares[thread.x * 8u + thread.y] = raised;
    workgroupBarrier();
    raised = highest;
    for (var x = 0u; x < 8u; x++) {
      raised = max(raised, shares[x * 8u + thread.y]);
    }
    let correction = exp(highest - raised);
    highest = raised;

    var weights = mat4x4<f32>();
    for (var c = 0u; c < 4u; c++) {
      weights[c] = exp(score[c] - raised);
    }
    sum = sum * correction + weights * vec4(1.0);
    if (params.dropout > 0.0) {
      weights = drop(weights, rows, positions + n + 4u * thread.x);
    }
    store_inner(thread, weights);

    for (var part = 0u; part < HEAD / TILE && part * TILE < params.D; part++) {
      for (var e = lane; e < 256u; e += THREADS) {
        let at = part * TILE + 4u * (e % 8u);
        let key = n + e / 8u;
        outer_columns[e] = vec4(
          value_at(batch, key, g, at),
          value_at(batch, key, g, at + 1u),
          value_at(batch, key, g, at + 2u),
          value_at(batch, key, g, at + 3u),
        );
      }
      workgroupBarrier();
      let added = multiply_tile(thread, min(TILE, end - n));
      for (var c = 0u; c < 4u; c++) {
        result[part][c] = result[part][c] * correction + added[c];
      }
      workgroupBarrier();
    }
  }

  workgroupBarrier();
  shares[thread.x * 8u + thread.y] = sum;
  workgroupBarrier();
  sum = vec4(0.0);
  for (var x = 0u; x < 8u; x++) {
    sum += shares[x * 8u + thread.y];
  }
  let inverse = select(1.0 / sum, vec4(0.0), sum == vec4(0.0));
  let logarithm = select(highest + log(sum), vec4(NO_KEYS), sum == vec4(0.0));
  for (var r = 0u; r < rows; r++) {
    let row = first + 4u * thread.y + r;
    for (var part = 0u; part < HEAD / TILE && part * TILE < params.D; part++) {
      for (var c = 0u; c < 4u; c++) {
        let d = part * TILE + 4u * thread.x + c;
        if (d < params.D) {
          y[result_row(batch, row, h) + d] = value(result[part][c][r] * inverse[r]);
        }
      }
    }
    if (thread.x == 0u) {
      lse[lse_row(batch, row, h)] = logarithm[r];
    }
  }
}

// Dropout of `rows` rows of four weights; `positions`: of each row's first.
fn drop(weights: mat4x4<f32>, rows: u32, positions: vec4<u32>) -> mat4x4<f32> {
  var by_row = transpose(weights);
  for (var r = 0u; r < rows; r++) {
    by_row[r] *= dropout_factors(positions[r], params.sequence, random, params.dropout);
  }
  return transpose(by_row);
}
