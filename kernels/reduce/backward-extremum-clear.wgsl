// common: grid
// reduce/backward-extremum, first launch (webgpu)
// Math      first[o,i] = L: none found
// Shapes    scratch: first [O,I] u32
// Tiling    a thread owns an element
// Launch    grid (ceil(O I / WORKGROUP)) folded, WORKGROUP threads

struct Params {
  O: u32,
  L: u32,
  I: u32,
}

@group(0) @binding(0) var<storage, read_write> first: array<u32>;  // [O,I]
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i < params.O * params.I) {
    first[i] = params.L;
  }
}
