// common: grid, reduce
// grad-norm/partial (webgpu)
// Math      partials[offset + k] = Σ x[i]² over i in block k of BLOCK elements
// Shapes    x [n] · partials [count] f32
// Tiling    a workgroup owns a block; a thread owns every WORKGROUP-th element
// Launch    grid (blocks) folded, WORKGROUP threads
// Numerics  f32; the order of the sum depends on n only

struct Params {
  n: u32,
  offset: u32,
  count: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;             // [n]
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;  // [count]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = folded_index(group, groups);
  if (block >= (params.n + BLOCK - 1u) / BLOCK) {
    return;
  }
  let first = block * BLOCK;
  let last = min(first + BLOCK, params.n);

  var squares = 0.0;
  for (var i = first + lane; i < last; i += WORKGROUP) {
    let v = f32(x[i]);
    squares += v * v;
  }
  let sum = workgroup_sum(squares, lane);

  if (lane == 0u) {
    partials[params.offset + block] = sum;
  }
}
