// common: grid, reduce, exp, fault
// cross-entropy/forward (webgpu)
// Math      loss[t] = (1 - smoothing) * (log s + m - logits[t,target]) + smoothing * mean_v(log s + m - logits[t,v]);
//           m = max_v logits[t,v], s = Σ_v exp(logits[t,v] - m)
// Shapes    logits [T,V] · targets [T] i32 · loss, maximum (m), log_sum (log s) [T] f32 · faults [4] u32
// Method    per row: maximum; then Σ exp(x - m) and Σ (x - m). The row is read twice, the second time from cache.
// Tiling    a workgroup owns a row; a thread owns every WORKGROUP-th element
// Launch    grid (T) folded, WORKGROUP threads
// Numerics  f32; log s and m are never added up: a large m would swallow log s; the order of the sums depends on V and
//           WORKGROUP only
// Limits    rows with an ignored target, or one outside [0, V) (a fault), are not read: their results are 0

struct Params {
  T: u32,
  V: u32,
  ignoreIndex: u32,
  smoothing: f32,
  faultLabel: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<value>;                 // [T,V]
@group(0) @binding(1) var<storage, read> targets: array<i32>;                  // [T]
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;               // [T]
@group(0) @binding(3) var<storage, read_write> maximum: array<f32>;            // [T]
@group(0) @binding(4) var<storage, read_write> log_sum: array<f32>;            // [T]
@group(0) @binding(5) var<storage, read_write> faults: array<atomic<u32>, 4>;  // [4]
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
  let row = t * params.V;
  let wanted = targets[t];
  let ignored = bitcast<u32>(wanted) == params.ignoreIndex;
  if (ignored || bitcast<u32>(wanted) >= params.V) {
    if (lane == 0u) {
      loss[t] = 0.0;
      maximum[t] = 0.0;
      log_sum[t] = 0.0;
      if (!ignored) {
        report_bad_index(params.faultLabel, t, wanted);
      }
    }
    return;
  }

  var highest = LOWEST;
  for (var v = lane; v < params.V; v += WORKGROUP) {
    highest = max(highest, f32(logits[row + v]));
  }
  let m = workgroup_max(highest, lane);

  var exponentials = 0.0;
  var distances = 0.0;
  for (var v = lane; v < params.V; v += WORKGROUP) {
    let below = f32(logits[row + v]) - m;
    exponentials += exp_or_zero(below);
    distances += below;
  }
  let log_s = log(workgroup_sum(exponentials, lane));

  var result = log_s + (m - f32(logits[row + u32(wanted)]));
  // Not 0 * infinity, where logits of -infinity mask classes.
  if (params.smoothing > 0.0) {
    let mean = log_s - workgroup_sum(distances, lane) / f32(params.V);
    result = (1.0 - params.smoothing) * result + params.smoothing * mean;
  }
  if (lane == 0u) {
    loss[t] = result;
    maximum[t] = m;
    log_sum[t] = log_s;
  }
}
