// common: grid, math, reduce
// l2-normalize/forward (webgpu)
// Math      y[t,c] = x[t,c] / max(norm[t], eps);  norm[t] = sqrt(Σ_c x²)
// Shapes    x, y [T,C] · norm [T] f32
// Method    per row: sum of squares → norm; scale. Two passes over a row that stays in cache.
// Tiling    a workgroup owns a row; a thread owns every WORKGROUP-th element
// Launch    grid (T) folded, WORKGROUP threads
// Numerics  f32; the order of the sum depends on C and WORKGROUP only; stores round once
// Limits    norms above 1.8e19 overflow their square

struct Params {
  T: u32,
  C: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;         // [T,C]
@group(0) @binding(1) var<storage, read_write> y: array<value>;   // [T,C]
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;  // [T]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = folded_index(group, groups);
  if (t >= params.T) {
    return;
  }
  let row = t * params.C;

  var squares = 0.0;
  for (var c = lane; c < params.C; c += WORKGROUP) {
    let v = f32(x[row + c]);
    squares += v * v;
  }
  let length = sqrt(workgroup_sum(squares, lane));

  let divisor = at_least(length, params.eps);
  for (var c = lane; c < params.C; c += WORKGROUP) {
    y[row + c] = value(f32(x[row + c]) / divisor);
  }
  if (lane == 0u) {
    norm[t] = length;
  }
}
