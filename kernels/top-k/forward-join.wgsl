// common: grid, largest
// top-k/forward (webgpu): lists joined
// Math      values[t,k], indices[t,k]: the K foremost of the entries that forward.wgsl left for row t
// Shapes    x [T,V] · values [T,K] · indices [T,K] i32 · lists [T,blocks,K] of (order key, index) u32
// Method    K rounds: the foremost entry behind that of the round before
// Tiling    a workgroup owns a row; a thread owns every WORKGROUP-th entry
// Launch    grid (T) folded, WORKGROUP threads
// Numerics  values are copies of x
// Limits    K <= V

struct Params {
  T: u32,
  V: u32,
  K: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;                // [T,V]
@group(0) @binding(1) var<storage, read_write> values: array<value>;     // [T,K]
@group(0) @binding(2) var<storage, read_write> indices: array<i32>;      // [T,K]
@group(0) @binding(3) var<storage, read_write> lists: array<vec2<u32>>;  // [T,blocks,K], the scratch
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
  let length = (params.V + COLUMNS - 1u) / COLUMNS * params.K;

  var previous = FIRST;
  for (var k = 0u; k < params.K; k++) {
    var best = NOTHING;
    for (var i = lane; i < length; i += WORKGROUP) {
      let entry = lists[t * length + i];
      if (in_front(previous, entry) && in_front(entry, best)) {
        best = entry;
      }
    }
    previous = workgroup_foremost(best, lane);
    if (lane == 0u) {
      values[t * params.K + k] = x[t * params.V + previous.y];
      indices[t * params.K + k] = i32(previous.y);
    }
  }
}
