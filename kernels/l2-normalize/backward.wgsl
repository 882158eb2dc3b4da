// common: grid, reduce
// l2-normalize/backward (webgpu)
// Math      dx[t,c] = (dy[t,c] - n[t,c] * Σ_c dy n) / max(norm[t], eps);  n = x / max(norm, eps);
//           the sum counts only where norm >= eps: below, the divisor is a constant
// Shapes    dy, x, dx [T,C] · norm [T] f32
// Method    per row: the sum in one pass, then dx in a second over a row that stays in cache
// Tiling    a workgroup owns a row; a thread owns every WORKGROUP-th element
// Launch    grid (T) folded, WORKGROUP threads
// Numerics  f32; divides rather than scales, since 1 / eps may be beyond f32; the order of the sum depends on C and
//           WORKGROUP only; stores round once

struct Params {
  T: u32,
  C: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;        // [T,C]
@group(0) @binding(1) var<storage, read> x: array<value>;         // [T,C]
@group(0) @binding(2) var<storage, read> norm: array<f32>;        // [T]
@group(0) @binding(3) var<storage, read_write> dx: array<value>;  // [T,C]
@group(0) @binding(4) var<uniform> params: Params;

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
  let divisor = select(norm[t], params.eps, norm[t] < params.eps);

  var along = 0.0;
  if (norm[t] >= params.eps) {
    for (var c = lane; c < params.C; c += WORKGROUP) {
      along += f32(dy[row + c]) * (f32(x[row + c]) / divisor);
    }
  }
  let sum = workgroup_sum(along, lane);

  for (var c = lane; c < params.C; c += WORKGROUP) {
    let n = f32(x[row + c]) / divisor;
    dx[row + c] = value((f32(dy[row + c]) - n * sum) / divisor);
  }
}
