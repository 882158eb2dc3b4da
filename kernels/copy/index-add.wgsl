// common: grid
// copy/index-add, second launch (webgpu)
// Math      y[o,v,:] = base[o,v,:] + Σ_{k: index[k] = v} x[o,k,:]
// Shapes    x [O,K,I] · base, y [O,V,I], base optional (0) · scratch: the lists of the first launch
// Tiling    a thread owns an element of y
// Launch    grid (ceil(elements / WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32 in the order of k, sixteen at a time; rounds once

struct Params {
  O: u32,
  V: u32,
  K: u32,
  I: u32,
  hasBase: u32,
  faultLabel: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;          // [O,K,I]
@group(0) @binding(1) var<storage, read> base: array<value>;       // [O,V,I]
@group(0) @binding(2) var<storage, read_write> y: array<value>;    // [O,V,I]
@group(0) @binding(3) var<storage, read_write> lists: array<u32>;  // [2 V + K]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= params.O * params.V * params.I) {
    return;
  }
  let v = i / params.I % params.V;
  let o = i / params.I / params.V;
  var sum = 0.0;
  if (params.hasBase == 1u) {
    sum = f32(base[i]);
  }
  let end = lists[params.V + v];
  for (var first = lists[v]; first < end; first += 16u) {
    var part = 0.0;
    for (var at = first; at < min(first + 16u, end); at++) {
      part += f32(x[(o * params.K + lists[at]) * params.I + i % params.I]);
    }
    sum += part;
  }
  y[i] = value(sum);
}
