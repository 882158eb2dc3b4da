// common: grid, math
// reduce/backward-extremum, second launch (webgpu)
// Math      first[o,i] = the least l with x[o,l,i] = y[o,i]
// Shapes    x [O,L,I] · y [O,I] · scratch: first [O,I] u32
// Tiling    a thread owns an element of x
// Launch    grid (ceil(O L I / WORKGROUP)) folded, WORKGROUP threads
// Numerics  NaN equals NaN; a minimum of integers does not depend on the order of its atomics

struct Params {
  O: u32,
  L: u32,
  I: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;                  // [O,L,I]
@group(0) @binding(1) var<storage, read> y: array<value>;                  // [O,I]
@group(0) @binding(2) var<storage, read_write> first: array<atomic<u32>>;  // [O,I]
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
  let a = f32(x[i]);
  let b = f32(y[column]);
  if (a == b || (is_nan(a) && is_nan(b))) {
    atomicMin(&first[column], i / params.I % params.L);
  }
}
