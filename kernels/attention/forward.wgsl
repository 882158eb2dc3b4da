// common: philox
// attention/forward (webgpu)
// Math      y[b,i,h,:] = sum_j p_ij r_ij v[b,j,g,:];  p_ij = exp(scale q·k_j - lse_i) over the keys that i sees,
//           r_ij the dropout factor, g = h / (H / G);  lse = log sum_j exp(scale q·k_j)
// Shapes    q [B,L,H,D], k, v [B,S,G,D] with pitch and offset · mask [B,S] i32 · prefixKeys, prefixValues [P,G,D]
//           random [4] u32 · y [B,L,H,D] · lse [B,H,L] f32
// Method    running softmax, four keys at a time: scores; new maximum; rescale sum and y by exp(old - new maximum);
//           add the four weighted values. First the prefix, then the other keys up to the causal edge.
// Tiling    a thread owns a query row: q and y in registers. Threads of a workgroup walk the same keys: their loads are
//           uniform. No workgroup memory.
// Launch    grid (ceil(L / WORKGROUP), H, B), WORKGROUP threads; HEAD >= D, with UNROLL = 1 equal to it
// Numerics  f32; hidden keys get a finite score and weight 0; a row that sees none: y = 0, lse = 1e30 (NO_KEYS)
// Limits    each tensor below 2^32 elements; wide heads (above 64) exceed the registers of most GPUs

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

@group(0) @binding(0) var<storage, read> q: array<value>;              // [B,L,H,D]
@group(0) @binding(1) var<storage, read> k: array<value>;              // [B,S,G,D]
@group(0) @binding(2) var<storage, read> v: array<value>;              // [B,S,G,D]
@group(0) @binding(3) var<storage, read> mask: array<i32>;             // [B,S]
@group(0) @binding(4) var<storage, read> prefixKeys: array<value>;     // [P,G,D]
@group(0) @binding(5) var<storage, read> prefixValues: array<value>;   // [P,G,D]
@group(0) @binding(6) var<uniform> random: vec4<u32>;                  // [4]
@group(0) @binding(7) var<storage, read_write> y: array<value>;        // [B,L,H,D]
@group(0) @binding(8) var<storage, read_write> lse: array<f32>;        // [B,H,L]
@group(0) @binding(9) var<uniform> params: Params;

const HIDDEN = -1e30;
const NO_KEYS = 1e30;
const FOUR = vec4(0u, 1u, 2u, 3u);

// The query row of this thread.
var<private> query: array<f32, HEAD>;
var<private> result: array<f32, HEAD>;
var<private> highest: f32;
var<private> sum: f32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * WORKGROUP + lane;
  let h = group.y;
  let batch = group.z;
  if (i >= params.L) {
    return;
  }
  let g = h / (params.H / params.G);
  let row = (batch * params.H + h) * params.L + i;

  let q_at = params.qOffset + (batch * params.L + i) * params.qPitch + h * params.D;
  for (var d = 0u; d < width(); d++) {
    query[d] = params.scale * f32(q[q_at + d]);
    result[d] = 0.0;
  }
  highest = HIDDEN;
  sum = 0.0;

  var end = params.S;
  if (params.causal == 1u) {
    end = min(end, u32(max(0, i32(i + params.S + 1u) - i32(params.L))));
  }
  let prefix_blocks = (params.P + 3u) / 4u;
  let blocks = prefix_blocks + (end + 3u) / 4u;
  let positions = row * (params.P + params.S);
  for (var block = 0u; block < blocks; block++) {
    // Keys of the block, and where their rows start. Past the edge they repeat the last key, unseen.
    let in_prefix = block < prefix_blocks;
    var keys = 4u * block + FOUR;
    var position = positions + keys.x;
    var at = (min(keys, vec4(params.P - 1u)) * params.G + g) * params.D;
    var seen = keys < vec4(params.P);
    if (!in_prefix) {
      keys -= 4u * prefix_blocks;
      position = positions + params.P + keys.x;
      let inside = min(keys, vec4(params.S - 1u));
      at = (batch * params.kvCapacity + inside) * params.kvPitch + g * params.D;
      seen = keys < vec4(end);
      if (params.hasMask == 1u) {
        let m = batch * params.S + inside;
        seen &= vec4(mask[m.x], mask[m.y], mask[m.z], mask[m.w]) != vec4(0);
      }
    }

    var score: vec4<f32>;
    if (in_prefix) {
      score = prefix_scores(at);
    } else {
      score = scores(params.kOffset + at);
    }
    let weights = weigh(score, seen, position);
    if (in_prefix) {
      add_prefix_values(at, weights);
    } else {
      add_values(params.vOffset + at, weights);
    }
  }

  let y_at = ((batch * params.L + i) * params.H + h) * params.D;
  let inverse = select(0.0, 1.0 / sum, sum > 0.0);
  for (var d = 0u; d < width(); d++) {
    y[y_at + d] = value(result[d] * inverse);
  }
  lse[row] = select(NO_KEYS, highest + log(sum), sum > 0.0);
}

// Trip count of the loops over the head. A constant lets a GPU's compiler unroll them and keep the row in registers; a
// uniform keeps a software adapter from it, which would compile for a minute.
fn width() -> u32 {
  return select(params.D, HEAD, UNROLL == 1u);
}

// Adds four keys to the running softmax. Returns the weights of their values relative to the new maximum.
fn weigh(score: vec4<f32>, seen: vec4<bool>, position: u32) -> vec4<f32> {
  let visible = select(vec4(HIDDEN), score, seen);
  let pairs = max(visible.xy, visible.zw);
  let raised = max(highest, max(pairs.x, pairs.y));
  let correction = exp(highest - raised);
  highest = raised;
  var weights = select(vec4(0.0), exp(visible - raised), seen);
  sum = sum * correction + dot(weights, vec4(1.0));
  if (correction != 1.0) {
    for (var d = 0u; d < width(); d++) {
      result[d] *= correction;
    }
  }
  if (params.dropout > 0.0) {
    weights *= dropout_factors(position, params.sequence, random, params.dropout);
  }
  return weights;
}

fn scores(at: vec4<u32>) -> vec4<f32> {
  var score = vec4<f32>();
  for (var d = 0u; d < width(); d++) {
    score += query[d] * vec4<f32>(vec4(k[at.x + d], k[at.y + d], k[at.z + d], k[at.w + d]));
  }
  return score;
}

fn prefix_scores(at: vec4<u32>) -> vec4<f32> {
  var score = vec4<f32>();
  for (var d = 0u; d < width(); d++) {
    let column = vec4(prefixKeys[at.x + d], prefixKeys[at.y + d], prefixKeys[at.z + d], prefixKeys[at.w + d]);
    score += query[d] * vec4<f32>(column);
  }
  return score;
}

fn add_values(at: vec4<u32>, weights: vec4<f32>) {
  for (var d = 0u; d < width(); d++) {
    result[d] += dot(weights, vec4<f32>(vec4(v[at.x + d], v[at.y + d], v[at.z + d], v[at.w + d])));
  }
}

fn add_prefix_values(at: vec4<u32>, weights: vec4<f32>) {
  for (var d = 0u; d < width(); d++) {
    let column = vec4(prefixValues[at.x + d], prefixValues[at.y + d], prefixValues[at.z + d], prefixValues[at.w + d]);
    result[d] += dot(weights, vec4<f32>(column));
  }
}
