// common: grid
// reduce/backward-extremum, third launch (webgpu)
// Math      dx[o,l,i] = dy[o,i] where l = first[o,i], else 0
// Shapes    dy [O,I] · dx [O,L,I] · scratch: first [O,I] u32
// Tiling    a thread owns an element of dx
// Launch    grid (ceil(O L I / WORKGROUP)) folded, WORKGROUP threads

struct Params {
  O: u32,
  L: u32,
  I: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;         // [O,I]
@group(0) @binding(1) var<storage, read_write> dx: array<value>;   // [O,L,I]
@group(0) @binding(2) var<storage, read_write> first: array<u32>;  // [O,I]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= params.O * params.L * params.I) {
    return;
  }
  let column = i / params.I / params.L * params.I + i % params.I;
  if (first[column] == i / params.I % params.L) {
    dx[i] = dy[column];
  } else {
    dx[i] = value();
  }
}
