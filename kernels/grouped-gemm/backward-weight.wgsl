// common: product-routed, row-tiles
// grouped-gemm/backward-weight (webgpu)
// Math      dw[e,n,k] = sum over the rows r of e of dy[row,n] x[row,k];  dbias[e,n] = sum of s dy[row,n], s the weight of r's
//           choice or 1; each may add to what is there
// Shapes    dy [D,N] · x [S,K] · lists [L] i32 · weights [W] f32 · dweight [E,N,K] or [E,K,N] ·
//           dbias [E,N]
// Method    the tile of common/wgsl/product-*.wgsl, as product.ts chooses, its k the rows of an expert, gathered while
//           loading. The workgroups of the first columns sum the bias, a thread a column of dy at a time
// Launch    grid (tiles of K, tiles of N, E), THREADS threads
// Numerics  f32, rows in order; each result rounds once. An expert without rows has sums of zero
// Limits    each matrix below 2^32 elements; dy and x each within one binding, a stack of weights in parts of whole experts

struct Params {
  D: u32,
  S: u32,
  R: u32,
  E: u32,
  N: u32,
  K: u32,
  L: u32,
  W: u32,
  transposed: u32,
  choices: u32,
  gatherDy: u32,
  gatherX: u32,
  accumulate: u32,
  accumulateBias: u32,
  hasWeights: u32,
  hasDbias: u32,
  EFirst: u32,
  EWhole: u32,
}

@group(0) @binding(0) var<storage, read> left: array<Operand>;         // dy [D,N]
@group(0) @binding(1) var<storage, read> right: array<Operand>;        // x [S,K]
@group(0) @binding(2) var<storage, read> lists: array<i32>;            // [L]
@group(0) @binding(3) var<storage, read> weights: array<f32>;          // [W]
@group(0) @binding(4) var<storage, read_write> dweight: array<value>;  // [E,N,K] or [E,K,N]
@group(0) @binding(5) var<storage, read_write> dbias: array<value>;    // [E,N]
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let expert = params.EFirst + group.z;
  let first = offset_of(expert);
  let rows = offset_of(expert + 1u) - first;
  const left_rows = select(K_GROUPED, K_GATHERED, GATHER_LEFT == 1u);
  const right_rows = select(K_GROUPED, K_GATHERED, GATHER_RIGHT == 1u);
  let left_matrix = Matrix(0u, 1u, params.N, left_rows, first);
  let right_matrix = Matrix(0u, 1u, params.K, right_rows, first);

  let product = Product(params.N, params.K, rows, left_matrix, right_matrix);
  multiply(product, group, thread);

  let start = group.z * params.N * params.K;
  let steps = select(vec2(1u, params.N), vec2(params.K, 1u), params.transposed == 1u);
  for (var i = 0u; i < sum_count(product); i++) {
    let n = tile_row(group, thread, i);
    let k = tile_column(group, thread, i);
    if (n < params.N) {
      for (var j = 0u; j < min(4u, params.K - min(k, params.K)); j++) {
        store(start + n * steps.x + (k + j) * steps.y, sums[i][j]);
      }
    }
  }

  if (params.hasDbias == 1u && group.x == 0u) {
    for (var item = thread; item < TILE_ROWS; item += THREADS) {
      let n = group.y * TILE_ROWS + item;
      if (n < params.N) {
        store_bias(expert * params.N + n, bias_sum(left_matrix, n, rows));
      }
    }
  }
}

fn bias_sum(m: Matrix, n: u32, rows: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < rows; k++) {
    var weight = 1.0;
    if (params.hasWeights == 1u) {
      weight = weights[choice_of(m.first + k)];
    }
    sum += weight * left_element(item_place(m, n) + k_place(m, k));
  }
  return sum;
}

fn store(i: u32, sum: f32) {
  var result = sum;
  if (params.accumulate == 1u) {
    result += f32(dweight[i]);
  }
  dweight[i] = value(result);
}

fn store_bias(i: u32, sum: f32) {
  var result = sum;
  if (params.accumulateBias == 1u) {
    result += f32(dbias[i]);
  }
  dbias[i] = value(result);
}
