// common: activation, grid, quantized
// quantized-matmul/forward-few (webgpu): few rows, or rows that each have an expert
// Math      y[r,n] = act(sum over k of x[t,k] w[e,n,k] + bias[e,n]); w = scale q. Without lists e = 0, t = r; with them e is
//           the expert whose rows r is among, and t = order[r] / gather, or r where gather is 0
// Shapes    x [T,K] · weight [E,N,W] words, format.ts · bias [E,N] · lists: offsets[E+1] | counts[E] | order[R] | ... ·
//           y [R,N]
// Method    the threads of a workgroup share K by eights, side by side; their sums meet in workgroup memory
// Tiling    a workgroup owns 4 columns of a row
// Launch    grid (R ceil(N / 4)) folded, WORKGROUP threads
// Numerics  f32; stores round once
// Limits    rows past the last group become zeros

struct Params {
  T: u32,
  R: u32,
  E: u32,
  N: u32,
  K: u32,
  W: u32,
  L: u32,
  bits: u32,
  group: u32,
  gather: u32,
  activation: u32,
  hasBias: u32,
  grouped: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;       // [T,K]
@group(0) @binding(1) var<storage, read> weight: array<u32>;    // [E,N,W]
@group(0) @binding(2) var<storage, read> bias: array<value>;    // [E,N]
@group(0) @binding(3) var<storage, read> lists: array<i32>;
@group(0) @binding(4) var<storage, read_write> y: array<value>; // [R,N]
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

fn x_four(at: u32) -> vec4<f32> {
  return vec4(f32(x[at]), f32(x[at + 1u]), f32(x[at + 2u]), f32(x[at + 3u]));
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let p = params;
  let pieces = (p.N + 3u) / 4u;
  let index = folded_index(group, groups);
  // Past the last row a workgroup of the folded grid repeats it, and does not store: barriers want all threads.
  let row = min(index / pieces, p.R - 1u);
  let column = index % pieces * 4u;
  var expert = 0u;
  var source = row;
  if (p.grouped == 1u) {
    expert = expert_of(row, p.E);
    if (p.gather > 0u) {
      source = u32(max(lists[2u * p.E + 1u + row], 0)) / p.gather;
    }
  }
  let inside = expert < p.E;
  let matrix = min(expert, p.E - 1u) * p.N;
  let w_at = (matrix + min(vec4(column) + vec4(0u, 1u, 2u, 3u), vec4(p.N - 1u))) * p.W;
  var sums = vec4(0.0);
  for (var k = 8u * lane; k < p.K; k += 8u * WORKGROUP) {
    let w0 = quantized_eight(w_at.x, p.K, k, p.group);
    let w1 = quantized_eight(w_at.y, p.K, k, p.group);
    let w2 = quantized_eight(w_at.z, p.K, k, p.group);
    let w3 = quantized_eight(w_at.w, p.K, k, p.group);
    let low = x_four(source * p.K + k);
    let high = x_four(source * p.K + k + 4u);
    sums += low * mat4x4(w0[0], w1[0], w2[0], w3[0]) + high * mat4x4(w0[1], w1[1], w2[1], w3[1]);
  }
  partial[lane] = sums;
  workgroupBarrier();
  if (lane > 0u || index / pieces >= p.R) {
    return;
  }
  for (var i = 1u; i < WORKGROUP; i++) {
    sums += partial[i];
  }
  for (var j = 0u; j < min(4u, p.N - column); j++) {
    var sum = sums[j];
    if (p.hasBias == 1u) {
      sum += f32(bias[matrix + column + j]);
    }
    y[row * p.N + column + j] = value(select(0.0, activate(p.activation, sum), inside));
  }
}
