// common: philox
// lora-matmul/backward-input, second launch (webgpu)
// Math      dx[t,k] = sum_n dy[t,n] weight[n,k] + mask[t,k] / (1 - dropout) sum_r g[t,r] a[r,k]
// Shapes    dy [T,N] · weight [N,K] · a [R,K] · random [4] u32 · g [T,R] · dx [T,K]
// Method    the tile of common/wgsl/product-*.wgsl, as product.ts chooses; the branch is added row by row in the epilogue
// Launch    grid (column tiles, row tiles), THREADS threads
// Numerics  f32 sums over g as it is stored; dx rounds once. The mask is the forward pass's, made again
// Limits    each matrix below 2^32 elements

struct Params {
  T: u32,
  N: u32,
  K: u32,
  R: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  hasDx: u32,
  TFirst: u32,
  TWhole: u32,
  NFirst: u32,
  NWhole: u32,
}

@group(0) @binding(0) var<storage, read> left: array<Operand>;   // dy [T,N]
@group(0) @binding(1) var<storage, read> right: array<Operand>;  // weight [N,K]
@group(0) @binding(2) var<storage, read> a: array<value>;             // [R,K]
@group(0) @binding(3) var<uniform> random: vec4<u32>;                 // [4]
@group(0) @binding(4) var<storage, read_write> g: array<value>;       // [T,R], only read
@group(0) @binding(5) var<storage, read_write> dx: array<value>;      // [T,K]
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let left_matrix = Matrix(params.NFirst, params.NWhole, 1u);
  let right_matrix = Matrix(0u, 1u, params.K);
  multiply(Product(params.T, params.K, params.N, left_matrix, right_matrix), group, thread);

  // Not the sums themselves, which an index that varies would drive out of registers.
  var base = sums;
  for (var i = 0u; i < SUMS; i++) {
    let t = tile_row(group, thread, i);
    let column = tile_column(group, thread, i);
    // The first part over N brings the branch; the others add their products.
    var result = base[i];
    if (params.NFirst == 0u) {
      result += branch(t, column);
    }
    if (t < params.T) {
      for (var j = 0u; j < min(4u, params.K - min(column, params.K)); j++) {
        let at = t * params.K + column + j;
        if (params.NFirst == 0u) {
          dx[at] = value(result[j]);
        } else {
          dx[at] = value(f32(dx[at]) + result[j]);
        }
      }
    }
  }
}

// mask / (1 - dropout) sum_r g[t,r] a[r,k] for columns k to k + 3
fn branch(t: u32, k: u32) -> vec4<f32> {
  var sum = vec4<f32>();
  var at = k;
  for (var r = 0u; r < params.R; r++) {
    sum += f32(g[t * params.R + r]) * vec4<f32>(vec4(a[at], a[at + 1u], a[at + 2u], a[at + 3u]));
    at += params.K;
  }
  if (params.dropout > 0.0) {
    sum *= dropout_factors((params.TFirst + t) * params.K + k, params.sequence, random, params.dropout);
  }
  return sum;
}
