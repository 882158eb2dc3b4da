// lora-matmul/forward, second launch (webgpu)
// Math      y[t,n] = sum_k x[t,k] weight[n,k] + scale sum_r h[t,r] b[n,r] + bias[n]
// Shapes    x [T,K] · weight [N,K] · b [N,R] · bias [N] · h [T,R] · y [T,N]
// Method    the tile of common/wgsl/product-*.wgsl, as product.ts chooses; the branch is added row by row in the epilogue
// Launch    grid (column tiles, row tiles), THREADS threads
// Numerics  f32 sums over h as it is stored; y rounds once
// Limits    each matrix below 2^32 elements

struct Params {
  T: u32,
  N: u32,
  K: u32,
  R: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  hasBias: u32,
  NFirst: u32,
  NWhole: u32,
}

@group(0) @binding(0) var<storage, read> left: array<Operand>;   // x [T,K]
@group(0) @binding(1) var<storage, read> right: array<Operand>;  // weight [N,K]
@group(0) @binding(2) var<storage, read> b: array<value>;             // [N,R]
@group(0) @binding(3) var<storage, read> bias: array<value>;          // [N]
@group(0) @binding(4) var<storage, read_write> h: array<value>;       // [T,R], only read
@group(0) @binding(5) var<storage, read_write> y: array<value>;       // [T,N]
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let left_matrix = Matrix(0u, params.K, 1u);
  let right_matrix = Matrix(0u, params.K, 1u);
  multiply(Product(params.T, params.N, params.K, left_matrix, right_matrix), group, thread);

  // Not the sums themselves, which an index that varies would drive out of registers.
  var base = sums;
  for (var i = 0u; i < SUMS; i++) {
    let t = tile_row(group, thread, i);
    let column = tile_column(group, thread, i);
    let result = base[i] + params.scale * branch(t, column);
    if (t < params.T) {
      for (var j = 0u; j < min(4u, params.N - min(column, params.N)); j++) {
        store(t, column + j, result[j]);
      }
    }
  }
}

// sum_r h[t,r] b[n,r] for columns n to n + 3
fn branch(t: u32, n: u32) -> vec4<f32> {
  var sum = vec4<f32>();
  var at = (n + vec4(0u, 1u, 2u, 3u)) * params.R;
  for (var r = 0u; r < params.R; r++) {
    sum += f32(h[t * params.R + r]) * vec4<f32>(vec4(b[at.x], b[at.y], b[at.z], b[at.w]));
    at += 1u;
  }
  return sum;
}

fn store(t: u32, n: u32, sum: f32) {
  var result = sum;
  if (params.hasBias == 1u) {
    result += f32(bias[n]);
  }
  y[t * params.NWhole + params.NFirst + n] = value(result);
}
