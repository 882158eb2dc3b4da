// common: product-routed, row-tiles
// grouped-gemm/backward-input (webgpu)
// Math      for grouped row r of expert e: dx[r,k] = sum_n dy[row,n] w[e,n,k] (+ what was there); rows that nobody kept are
//           zero, with accumulate as they were
// Shapes    dy [T,N] · weight [E,N,K] or [E,K,N] · lists [L] i32 · dx [R,K]
// Method    the tile of common/wgsl/product-*.wgsl, as product.ts chooses, with rows gathered while loading
// Launch    grid (column tiles, at most so many row tiles of all experts), THREADS threads: each workgroup finds its expert
// Numerics  f32, one sum per output in the order of n; dx rounds once
// Limits    those of forward.wgsl

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
  accumulate: u32,
  EFirst: u32,
  EWhole: u32,
}

@group(0) @binding(0) var<storage, read> left: array<Operand>;    // dy [T,N]
@group(0) @binding(1) var<storage, read> right: array<Operand>;   // weight [E,N,K] or [E,K,N]
@group(0) @binding(2) var<storage, read> lists: array<i32>;       // [L]
@group(0) @binding(3) var<storage, read_write> dx: array<value>;  // [R,K]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let tile = row_tile(group.y, TILE_ROWS);
  let kept = tile.expert < params.EWhole;
  if (tile.expert > params.EWhole || (!kept && params.accumulate == 1u)) {
    return;
  }
  const rows = select(ITEMS_GROUPED, ITEMS_GATHERED, GATHER_LEFT == 1u);
  let left_matrix = Matrix(0u, params.N, 1u, rows, tile.first);
  let start = (tile.expert - params.EFirst) * params.N * params.K;
  let steps = select(vec2(params.N, 1u), vec2(1u, params.K), params.transposed == 1u);
  let right_matrix = Matrix(start, steps.x, steps.y, PLAIN, 0u);
  let place = vec3(group.x, tile.number, 0u);

  let product = Product(tile.rows, params.K, select(0u, params.N, kept), left_matrix, right_matrix);
  multiply(product, place, thread);

  for (var i = 0u; i < sum_count(product); i++) {
    let row = tile_row(place, thread, i);
    let column = tile_column(place, thread, i);
    if (row < tile.rows) {
      for (var j = 0u; j < min(4u, params.K - min(column, params.K)); j++) {
        store((tile.first + row) * params.K + column + j, sums[i][j]);
      }
    }
  }
}

fn store(i: u32, sum: f32) {
  var result = sum;
  if (params.accumulate == 1u) {
    result += f32(dx[i]);
  }
  dx[i] = value(result);
}
