// common: grid, philox
// lora-matmul/backward-adapter, one launch for da and one for db (webgpu)
// Math      of block c of BLOCK tokens  OF = 0: partial[c,r,k] = sum_t g[t,r] drop(x)[t,k]
//                                       OF = 1: partial[c,r,n] = sum_t h[t,r] dy[t,n]
// Shapes    dy [T,N] · x [T,K] · h, g [T,R] · random [4] u32 · partial [blocks,R,K], then [blocks,R,N] f32
// Method    outer products in registers, eight ranks by four columns: x and dy are read once for eight ranks
// Tiling    a workgroup owns 4 WORKGROUP columns of a block; a thread owns four neighbouring columns
// Launch    grid (column tiles, blocks), WORKGROUP threads
// Numerics  f32, tokens in order inside a block

struct Params {
  T: u32,
  N: u32,
  K: u32,
  R: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  accumulateA: u32,
  accumulateB: u32,
  TFirst: u32,
  TWhole: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;            // [T,N]
@group(0) @binding(1) var<storage, read> x: array<value>;             // [T,K]
@group(0) @binding(2) var<storage, read> h: array<value>;             // [T,R]
@group(0) @binding(3) var<storage, read> g: array<value>;             // [T,R]
@group(0) @binding(4) var<uniform> random: vec4<u32>;                 // [4]
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;   // [blocks,R,K], [blocks,R,N]
@group(0) @binding(6) var<uniform> params: Params;

const RANKS = 8u;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let width = select(params.N, params.K, OF == 0u);
  let column = 4u * (group.x * WORKGROUP + lane);
  let block = group.y;
  if (column >= width) {
    return;
  }
  let begin = block * BLOCK;
  let end = min(params.T, begin + BLOCK);
  let blocks = (params.TWhole + BLOCK - 1u) / BLOCK;
  let start = select(blocks * params.R * params.K, 0u, OF == 0u) + (params.TFirst / BLOCK + block) * params.R * width;

  for (var first = 0u; first < params.R; first += RANKS) {
    var sums = array<vec4<f32>, RANKS>();
    for (var t = begin; t < end; t++) {
      let four = wide_four(t * width + column);
      for (var r = 0u; r < RANKS; r++) {
        sums[r] += narrow(t * params.R + first + r) * four;
      }
    }
    for (var r = 0u; r < min(RANKS, params.R - first); r++) {
      for (var j = 0u; j < min(4u, width - column); j++) {
        partial[start + (first + r) * width + column + j] = sums[r][j];
      }
    }
  }
}

fn wide_four(at: u32) -> vec4<f32> {
  if (OF == 1u) {
    return vec4<f32>(vec4(dy[at], dy[at + 1u], dy[at + 2u], dy[at + 3u]));
  }
  let four = vec4<f32>(vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]));
  if (params.dropout == 0.0) {
    return four;
  }
  return four * dropout_factors(params.TFirst * params.K + at, params.sequence, random, params.dropout);
}

fn narrow(at: u32) -> f32 {
  if (OF == 1u) {
    return f32(h[at]);
  }
  return f32(g[at]);
}
