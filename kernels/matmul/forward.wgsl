// common: activation
// matmul/forward (webgpu)
// Math      y[b,m,n] = act(sum_k op(a)[b,m,k] op(b)[b,k,n] + bias[n]); with accumulate y += sum + bias
// Shapes    a [B|1,M,K] or [B|1,K,M] · b [B|1,K,N] or [B|1,N,K] · bias [N] · y, preactivation [B,M,N]
// Method    the tile of common/wgsl/product-*.wgsl, as product.ts chooses; then the epilogue
// Launch    grid (column tiles, row tiles, B), THREADS threads
// Numerics  f32, one sum per output in the order of k; stores round once
// Limits    each operand and y below 2^32 elements

struct Params {
  B: u32,
  M: u32,
  N: u32,
  K: u32,
  transposeA: u32,
  transposeB: u32,
  batchedA: u32,
  batchedB: u32,
  activation: u32,
  accumulate: u32,
  hasBias: u32,
  hasPreactivation: u32,
  // Where a part of the product stands in it, and its sizes: a and b are as they are stored, but for the side that is cut.
  MFirst: u32,
  MWhole: u32,
  NFirst: u32,
  NWhole: u32,
  KFirst: u32,
  KWhole: u32,
}

@group(0) @binding(0) var<storage, read> left: array<Operand>;   // a [B|1,M,K] or [B|1,K,M]
@group(0) @binding(1) var<storage, read> right: array<Operand>;  // b [B|1,K,N] or [B|1,N,K]
@group(0) @binding(2) var<storage, read> bias: array<value>;                 // [N]
@group(0) @binding(3) var<storage, read_write> y: array<value>;              // [B,M,N]
@group(0) @binding(4) var<storage, read_write> preactivation: array<value>;  // [B,M,N]
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let batch = group.z;
  // What is along the rows of an operand as it is stored is never cut: a part reads from its own first one.
  var left_matrix = Matrix(params.KFirst, params.KWhole, 1u);
  if (params.transposeA == 1u) {
    left_matrix = Matrix(params.MFirst, 1u, params.MWhole);
  }
  var right_matrix = Matrix(0u, 1u, params.N);
  if (params.transposeB == 1u) {
    right_matrix = Matrix(params.KFirst, params.KWhole, 1u);
  }
  left_matrix.start += batch * params.batchedA * params.M * params.K;
  right_matrix.start += batch * params.batchedB * params.K * params.N;

  multiply(Product(params.M, params.N, params.K, left_matrix, right_matrix), group, thread);

  for (var i = 0u; i < SUMS; i++) {
    let row = tile_row(group, thread, i);
    let first = tile_column(group, thread, i);
    if (row < params.M) {
      for (var j = 0u; j < min(4u, params.N - min(first, params.N)); j++) {
        store((batch * params.M + row) * params.NWhole + params.NFirst + first + j, first + j, sums[i][j]);
      }
    }
  }
}

fn store(i: u32, column: u32, sum: f32) {
  var result = sum;
  if (params.hasBias == 1u) {
    result += f32(bias[column]);
  }
  if (params.hasPreactivation == 1u) {
    preactivation[i] = value(result);
  }
  if (params.accumulate == 1u) {
    y[i] = value(f32(y[i]) + result);
  } else {
    y[i] = value(activate(ACTIVATION, result));
  }
}
