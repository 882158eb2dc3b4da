// common: grid
// copy/pad (webgpu)
// Math      y[o, before + l, c] = x[o, l, c]; 0 elsewhere
// Shapes    x [O,L,I] · y [O, before + L + after, I]
// Tiling    a thread owns an element of y
// Launch    grid (ceil(elements / WORKGROUP)) folded, WORKGROUP threads
// Numerics  moves bits

struct Params {
  O: u32,
  L: u32,
  I: u32,
  before: u32,
  after: u32,
}

@group(0) @binding(0) var<storage, read> x: array<word>;        // [O,L,I]
@group(0) @binding(1) var<storage, read_write> y: array<word>;  // [O, before + L + after, I]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  let length = params.before + params.L + params.after;
  if (i >= params.O * length * params.I) {
    return;
  }
  let o = i / params.I / length;
  let l = i / params.I % length;
  if (l >= params.before && l < params.before + params.L) {
    y[i] = x[(o * params.L + l - params.before) * params.I + i % params.I];
  } else {
    y[i] = word();
  }
}
