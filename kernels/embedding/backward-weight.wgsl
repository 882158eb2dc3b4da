// common: grid
// embedding/backward-weight, second launch (webgpu)
// Math      dweight[v,c] (+)= Σ_{t: ids[t] = v} dy[t,c];  ids of paddingIndex or outside [0, V) count nowhere
// Shapes    dy [T,C] · dweight [V,C] · scratch: the lists of the first launch
// Tiling    a thread owns an element of dweight
// Launch    grid (ceil(V C / WORKGROUP)) folded, WORKGROUP threads
// Numerics  a row is summed in f32, sixteen look-ups at a time, before it meets dweight: a repeated id rounds once

struct Params {
  T: u32,
  V: u32,
  C: u32,
  paddingIndex: u32,
  accumulate: u32,
  VFirst: u32,
  VWhole: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;             // [T,C]
@group(0) @binding(1) var<storage, read_write> dweight: array<value>;  // [V,C]
@group(0) @binding(2) var<storage, read_write> lists: array<u32>;      // [2 V + T]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= params.V * params.C) {
    return;
  }
  let v = params.VFirst + i / params.C;
  let end = lists[params.VWhole + v];
  var sum = 0.0;
  for (var first = lists[v]; first < end; first += 16u) {
    var part = 0.0;
    for (var at = first; at < min(first + 16u, end); at++) {
      part += f32(dy[lists[at] * params.C + i % params.C]);
    }
    sum += part;
  }
  if (params.accumulate == 0u) {
    dweight[i] = value(sum);
  } else if (lists[v] < end) {
    dweight[i] = value(f32(dweight[i]) + sum);
  }
}
