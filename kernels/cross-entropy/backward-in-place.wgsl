// common: grid, exp
// cross-entropy/backward-in-place (webgpu)
// Math      dlogits[t,v] = g * (exp(logits[t,v] - m - log s) - (1 - smoothing) [v = target[t]] - smoothing / V);
//           g = dy * scale; 0 for rows whose target is ignored or outside [0, V)
// Shapes    dy [T] when `perToken`, else [1] f32 · logits [T,V], where dlogits are left · targets [T] i32 ·
//           maximum (m), log_sum (log s) [T] f32 · scale [1] f32, absent when `perToken`
// Method    backward.wgsl with one binding for logits and dlogits, since WebGPU refuses two of one buffer: each element
//           depends on its own logit and on four numbers of its row
// Tiling    a workgroup owns COLUMNS columns of a row; a thread owns every WORKGROUP-th of them
// Launch    grid (T * blocks of columns) folded, WORKGROUP threads
// Numerics  f32; exp_minus_one at the target, where exp - 1 would cancel; stores round once

struct Params {
  T: u32,
  V: u32,
  ignoreIndex: u32,
  smoothing: f32,
  perToken: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;              // [T] or [1]
@group(0) @binding(1) var<storage, read_write> logits: array<value>;  // [T,V]
@group(0) @binding(2) var<storage, read> targets: array<i32>;         // [T]
@group(0) @binding(3) var<storage, read> maximum: array<f32>;         // [T]
@group(0) @binding(4) var<storage, read> log_sum: array<f32>;         // [T]
@group(0) @binding(5) var<uniform> scale: f32;                        // [1]
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let blocks = (params.V + COLUMNS - 1u) / COLUMNS;
  let cell = folded_index(group, groups);
  let t = cell / blocks;
  if (t >= params.T) {
    return;
  }
  let row = t * params.V;
  let first = cell % blocks * COLUMNS;
  let last = min(first + COLUMNS, params.V);

  let wanted = bitcast<u32>(targets[t]);
  if (wanted == params.ignoreIndex || wanted >= params.V) {
    for (var v = first + lane; v < last; v += WORKGROUP) {
      logits[row + v] = value(0.0);
    }
    return;
  }

  var g = dy[0] * scale;
  if (params.perToken == 1u) {
    g = dy[t];
  }
  let m = maximum[t];
  let log_s = log_sum[t];
  let share = params.smoothing / f32(params.V);
  for (var v = first + lane; v < last; v += WORKGROUP) {
    let log_probability = f32(logits[row + v]) - m - log_s;
    if (v == wanted) {
      logits[row + v] = value(g * (exp_minus_one(log_probability) + params.smoothing - share));
    } else {
      logits[row + v] = value(g * (exp_or_zero(log_probability) - share));
    }
  }
}
