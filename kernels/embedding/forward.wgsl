// common: fault, grid
// embedding/forward (webgpu)
// Math      y[t,c] = weight[ids[t],c]
// Shapes    weight [V,C] · ids [T] i32 · y [T,C] · faults u32[4]
// Tiling    a thread owns an element of y
// Launch    grid (ceil(elements / WORKGROUP)) folded, WORKGROUP threads
// Numerics  moves bits
// Limits    an id outside [0, V) is a fault and gives zeros

struct Params {
  T: u32,
  V: u32,
  C: u32,
  faultLabel: u32,
  VFirst: u32,
  VWhole: u32,
}

@group(0) @binding(0) var<storage, read> weight: array<word>;                  // [V,C]
@group(0) @binding(1) var<storage, read> ids: array<i32>;                      // [T]
@group(0) @binding(2) var<storage, read_write> y: array<word>;                 // [T,C]
@group(0) @binding(3) var<storage, read_write> faults: array<atomic<u32>, 4>;  // [4]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= params.T * params.C) {
    return;
  }
  let t = i / params.C;
  let id = bitcast<u32>(ids[t]);  // a negative one is a large one
  let row = id - params.VFirst;  // of this part; a smaller id is a large row
  if (row < params.V) {
    y[i] = weight[row * params.C + i % params.C];
  } else if (id >= params.VWhole) {
    y[i] = word();
    report_bad_index(params.faultLabel, t, ids[t]);
  }
}
