// common: grid, reduce
// layer-norm/backward-input (webgpu)
// Math      dx[t,c] = rstd[t] * (g[t,c] - mean_c(g) - n[t,c] * mean_c(g n));  g = dy * weight, n = (x - mean) * rstd
// Shapes    dy, x, dx [T,C] · weight [C] · mean, rstd [T] f32
// Method    per row: both sums in one pass, then dx in a second over a row that stays in cache
// Tiling    a workgroup owns a row; a thread owns every WORKGROUP-th element
// Launch    grid (T) folded, WORKGROUP threads
// Numerics  f32; the order of the sums depends on C and WORKGROUP only; stores round once

struct Params {
  T: u32,
  C: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;        // [T,C]
@group(0) @binding(1) var<storage, read> x: array<value>;         // [T,C]
@group(0) @binding(2) var<storage, read> weight: array<value>;    // [C]
@group(0) @binding(3) var<storage, read> mean: array<f32>;        // [T]
@group(0) @binding(4) var<storage, read> rstd: array<f32>;        // [T]
@group(0) @binding(5) var<storage, read_write> dx: array<value>;  // [T,C]
@group(0) @binding(6) var<uniform> params: Params;

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
  let m = mean[t];
  let r = rstd[t];

  var sum_g = 0.0;
  var sum_gn = 0.0;
  for (var c = lane; c < params.C; c += WORKGROUP) {
    let g = f32(dy[row + c]) * f32(weight[c]);
    sum_g += g;
    sum_gn += g * ((f32(x[row + c]) - m) * r);
  }
  let mean_g = workgroup_sum(sum_g, lane) / f32(params.C);
  let mean_gn = workgroup_sum(sum_gn, lane) / f32(params.C);

  for (var c = lane; c < params.C; c += WORKGROUP) {
    let g = f32(dy[row + c]) * f32(weight[c]);
    let n = (f32(x[row + c]) - m) * r;
    dx[row + c] = value(r * (g - mean_g - n * mean_gn));
  }
}
