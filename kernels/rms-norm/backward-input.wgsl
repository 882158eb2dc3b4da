// common: grid, reduce
// rms-norm/backward-input (webgpu)
// Math      dx[t,c] = rstd[t] * (g[t,c] - n[t,c] * mean_c(g n));  g = dy * weight, n = x * rstd
// Shapes    dy, x, dx [T,C] · weight [C] · rstd [T] f32
// Method    per row: the mean in one pass, then dx in a second over a row that stays in cache
// Tiling    a workgroup owns a row; a thread owns every WORKGROUP-th element
// Launch    grid (T) folded, WORKGROUP threads
// Numerics  f32; the order of the sum depends on C and WORKGROUP only; stores round once

struct Params {
  T: u32,
  C: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;        // [T,C]
@group(0) @binding(1) var<storage, read> x: array<value>;         // [T,C]
@group(0) @binding(2) var<storage, read> weight: array<value>;    // [C]
@group(0) @binding(3) var<storage, read> rstd: array<f32>;        // [T]
@group(0) @binding(4) var<storage, read_write> dx: array<value>;  // [T,C]
@group(0) @binding(5) var<uniform> params: Params;

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
  let r = rstd[t];

  var sum = 0.0;
  for (var c = lane; c < params.C; c += WORKGROUP) {
    sum += f32(dy[row + c]) * f32(weight[c]) * (f32(x[row + c]) * r);
  }
  let mean = workgroup_sum(sum, lane) / f32(params.C);

  for (var c = lane; c < params.C; c += WORKGROUP) {
    let g = f32(dy[row + c]) * f32(weight[c]);
    let n = f32(x[row + c]) * r;
    dx[row + c] = value(r * (g - n * mean));
  }
}
