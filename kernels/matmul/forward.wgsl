// common: activation
// matmul/forward (webgpu)
// Math      y[b,m,n] = act(sum_k op(a)[b,m,k] op(b)[b,k,n] + bias[n]); with accumulate y += sum + bias
// Shapes    a [B|1,M,K] or [B|1,K,M] · b [B|1,K,N] or [B|1,N,K] · bias [N] · y, preactivation [B,M,N]
// Method    outer products in registers: per k four elements of a, four of b, sixteen multiply-adds. No workgroup memory:
//           neighbours share their elements through the cache.
// Tiling    a workgroup owns 4 THREADS_Y rows × 4 THREADS_X columns; a thread owns rows and columns that lie THREADS_Y
//           and THREADS_X apart, so that neighbours in x read neighbours in b
// Launch    grid (column tiles, row tiles, B), THREADS_X × THREADS_Y threads
// Numerics  f32, one sum per output in the order of k
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
}

@group(0) @binding(0) var<storage, read> a: array<value>;                    // [B|1,M,K] or [B|1,K,M]
@group(0) @binding(1) var<storage, read> b: array<value>;                    // [B|1,K,N] or [B|1,N,K]
@group(0) @binding(2) var<storage, read> bias: array<value>;                 // [N]
@group(0) @binding(3) var<storage, read_write> y: array<value>;              // [B,M,N]
@group(0) @binding(4) var<storage, read_write> preactivation: array<value>;  // [B,M,N]
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(THREADS_X, THREADS_Y)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) thread: vec3<u32>) {
  let batch = group.z;
  let four = vec4(0u, 1u, 2u, 3u);
  let rows = group.y * 4u * THREADS_Y + thread.y + four * THREADS_Y;
  let columns = group.x * 4u * THREADS_X + thread.x + four * THREADS_X;

  // Addresses of the four rows of a and columns of b at k = 0. Past the edge they repeat the last one.
  let a_steps = select(vec2(params.K, 1u), vec2(1u, params.M), params.transposeA == 1u);
  let b_steps = select(vec2(1u, params.N), vec2(params.K, 1u), params.transposeB == 1u);
  var a_at = batch * params.batchedA * params.M * params.K + min(rows, vec4(params.M - 1u)) * a_steps.x;
  var b_at = batch * params.batchedB * params.K * params.N + min(columns, vec4(params.N - 1u)) * b_steps.x;

  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var k = 0u; k < params.K; k++) {
    let b_k = vec4<f32>(vec4(b[b_at.x], b[b_at.y], b[b_at.z], b[b_at.w]));
    sum0 += f32(a[a_at.x]) * b_k;
    sum1 += f32(a[a_at.y]) * b_k;
    sum2 += f32(a[a_at.z]) * b_k;
    sum3 += f32(a[a_at.w]) * b_k;
    a_at += a_steps.y;
    b_at += b_steps.y;
  }

  // One copy of the epilogue for the sixteen outputs: sixteen of them take seconds to compile.
  let sums = array(sum0, sum1, sum2, sum3);
  for (var e = 0u; e < 16u; e++) {
    let row = rows[e / 4u];
    let column = columns[e % 4u];
    if (row < params.M && column < params.N) {
      store((batch * params.M + row) * params.N + column, column, sums[e / 4u][e % 4u]);
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
    y[i] = value(activate(params.activation, result));
  }
}
