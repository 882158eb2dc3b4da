// common: activation, product-routed, row-tiles
// grouped-gemm/forward (webgpu)
// Math      for grouped row r of expert e: pre[r,n] = sum_k x[row,k] w[e,n,k] + bias[e,n] (+ what was there); y[r] = act(pre[r]),
//           gated: act(pre[r,o]) pre[r,O+o]; rows that nobody kept are zero
// Shapes    x [T,K] · weight [E,N,K] or [E,K,N] · bias [E,N] · lists [L] i32 · pre [R,N] · y [R,O]
// Method    the tile of common/wgsl/product-*.wgsl, as product.ts chooses, with rows gathered while loading. A gated tile has
//           as many columns of the gate as of what it multiplies, and a thread has both of an output: common/wgsl/product-routed.wgsl
// Launch    grid (column tiles, at most so many row tiles of all experts), THREADS threads: each workgroup finds its expert
// Numerics  f32, one sum per output in the order of k; pre and y round once each
// Limits    each matrix below 2^32 elements; x, pre and y each within one binding, a stack of weights in parts of whole experts

struct Params {
  T: u32,
  R: u32,
  E: u32,
  N: u32,
  K: u32,
  L: u32,
  transposed: u32,
  choices: u32,
  gather: u32,
  O: u32,
  activation: u32,
  gated: u32,
  accumulate: u32,
  hasBias: u32,
  hasPre: u32,
  EFirst: u32,
  EWhole: u32,
}

@group(0) @binding(0) var<storage, read> left: array<Operand>;     // x [T,K]
@group(0) @binding(1) var<storage, read> right: array<Operand>;    // weight [E,N,K] or [E,K,N]
@group(0) @binding(2) var<storage, read> bias: array<value>;       // [E,N]
@group(0) @binding(3) var<storage, read> lists: array<i32>;        // [L]
@group(0) @binding(4) var<storage, read_write> pre: array<value>;  // [R,N]
@group(0) @binding(5) var<storage, read_write> y: array<value>;    // [R,O]
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let tile = row_tile(group.y, TILE_ROWS);
  if (tile.expert > params.EWhole) {
    return;
  }
  const rows = select(ITEMS_GROUPED, ITEMS_GATHERED, GATHER_LEFT == 1u);
  let left_matrix = Matrix(0u, params.K, 1u, rows, tile.first);
  let start = (tile.expert - params.EFirst) * params.N * params.K;
  let steps = select(vec2(1u, params.N), vec2(params.K, 1u), params.transposed == 1u);
  const columns = select(PLAIN, ITEMS_PAIRED, PAIRS > 0u);
  let right_matrix = Matrix(start, steps.x, steps.y, columns, params.O);
  let K = select(params.K, 0u, tile.expert == params.EWhole);
  let place = vec3(group.x, tile.number, 0u);

  let product = Product(tile.rows, params.N, K, left_matrix, right_matrix);
  multiply(product, place, thread);

  for (var i = 0u; i < sum_count(product); i++) {
    let row = tile_row(place, thread, i);
    let column = tile_column(place, thread, i);
    if (row >= tile.rows) {
      continue;
    }
    let r = tile.first + row;
    if (PAIRS == 0u) {
      for (var j = 0u; j < min(4u, params.N - min(column, params.N)); j++) {
        store(r, tile.expert, column + j, sums[i][j]);
      }
    } else if (PAIRS == 2u) {
      store_pair(r, tile.expert, pair_of(column), sums[i].x, sums[i].z);
      store_pair(r, tile.expert, pair_of(column) + 1u, sums[i].y, sums[i].w);
    } else if (i % 2u == 0u) {
      for (var j = 0u; j < 4u; j++) {
        store_pair(r, tile.expert, pair_of(column) + j, sums[i][j], sums[min(i + 1u, SUMS - 1u)][j]);
      }
    }
  }
}

fn store(row: u32, expert: u32, column: u32, sum: f32) {
  let i = row * params.N + column;
  let kept = expert < params.EWhole;
  let plain = ACTIVATION == 0u;
  var result = sum;
  if (kept && params.hasBias == 1u) {
    result += f32(bias[expert * params.N + column]);
  }
  if (kept && params.accumulate == 1u) {
    if (plain) {
      result += f32(y[i]);
    } else {
      result += f32(pre[i]);
    }
  }
  if (params.hasPre == 1u) {
    pre[i] = value(result);
  }
  y[i] = value(activate(ACTIVATION, result));
}

fn store_pair(row: u32, expert: u32, o: u32, gate_sum: f32, up_sum: f32) {
  if (o >= params.O) {
    return;
  }
  let i = row * params.N + o;
  let kept = expert < params.EWhole;
  var gate = gate_sum;
  var up = up_sum;
  if (kept && params.hasBias == 1u) {
    gate += f32(bias[expert * params.N + o]);
    up += f32(bias[expert * params.N + params.O + o]);
  }
  if (kept && params.accumulate == 1u) {
    gate += f32(pre[i]);
    up += f32(pre[i + params.O]);
  }
  if (params.hasPre == 1u) {
    pre[i] = value(gate);
    pre[i + params.O] = value(up);
  }
  y[row * params.O + o] = value(activate(ACTIVATION, gate) * up);
}
