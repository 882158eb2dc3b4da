// common: grid, largest
// top-k/forward (webgpu): the K best of each block of columns
// Math      values[t,k] = x[t, indices[t,k]]: the K largest of a row, descending; ties in the order of their index; NaN
//           counts as largest, so that it does not go unseen
// Shapes    x [T,V] · lists [T,blocks,K] of (order key, index) u32
// Method    K rounds: the foremost entry behind that of the round before; NOTHING where a block is shorter than K.
//           forward-join.wgsl merges the lists.
// Tiling    a workgroup owns COLUMNS columns of a row; a thread owns every WORKGROUP-th of them
// Launch    grid (T * blocks) folded, WORKGROUP threads
// Limits    reads its block K times, from cache: meant for K up to some hundred

struct Params {
  T: u32,
  V: u32,
  K: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;                // [T,V]
@group(0) @binding(1) var<storage, read_write> lists: array<vec2<u32>>;  // [T,blocks,K], the scratch
@group(0) @binding(2) var<uniform> params: Params;

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

  var previous = FIRST;
  for (var k = 0u; k < params.K; k++) {
    var best = NOTHING;
    for (var v = first + lane; v < last; v += WORKGROUP) {
      let entry = vec2(order_key(f32(x[row + v])), v);
      if (in_front(previous, entry) && in_front(entry, best)) {
        best = entry;
      }
    }
    previous = workgroup_foremost(best, lane);
    if (lane == 0u) {
      lists[cell * params.K + k] = previous;
    }
  }
}
