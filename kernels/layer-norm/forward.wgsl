// common: grid, reduce
// layer-norm/forward (webgpu)
// Math      y[t,c] = (x[t,c] - mean[t]) * rstd[t] * weight[c] + bias[c];  rstd = 1 / sqrt(var + eps), var over C, biased
// Shapes    x, y [T,C] · weight, bias [C] · mean, rstd [T] f32
// Method    per row: sum → mean; sum of squared distances → rstd; normalise. The row is read three times, from cache.
// Tiling    a workgroup owns a row; a thread owns every WORKGROUP-th element
// Launch    grid (T) folded, WORKGROUP threads
// Numerics  f32, two passes for the variance (no cancellation); the order of the sums depends on C and WORKGROUP only

struct Params {
  T: u32,
  C: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;           // [T,C]
@group(0) @binding(1) var<storage, read> weight: array<value>;      // [C]
@group(0) @binding(2) var<storage, read> bias: array<value>;        // [C]
@group(0) @binding(3) var<storage, read_write> y: array<value>;     // [T,C]
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;    // [T]
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;    // [T]
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

  var sum = 0.0;
  for (var c = lane; c < params.C; c += WORKGROUP) {
    sum += f32(x[row + c]);
  }
  let m = workgroup_sum(sum, lane) / f32(params.C);

  var squares = 0.0;
  for (var c = lane; c < params.C; c += WORKGROUP) {
    let distance = f32(x[row + c]) - m;
    squares += distance * distance;
  }
  let r = 1.0 / sqrt(workgroup_sum(squares, lane) / f32(params.C) + params.eps);

  for (var c = lane; c < params.C; c += WORKGROUP) {
    y[row + c] = value((f32(x[row + c]) - m) * r * f32(weight[c]) + f32(bias[c]));
  }
  if (lane == 0u) {
    mean[t] = m;
    rstd[t] = r;
  }
}
