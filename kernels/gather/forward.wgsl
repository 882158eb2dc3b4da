// common: fault, grid
// gather/forward (webgpu)
// Math      y[o,k,i] = x[o, index[o,k,i], i]; 0 and a fault where the index is outside [0, V)
// Shapes    x [O,V,I] · index [O,K,I] i32 · y [O,K,I] · faults u32[4]
// Tiling    a thread owns an element of y
// Launch    grid (ceil(elements / WORKGROUP)) folded, WORKGROUP threads
// Numerics  moves bits

struct Params {
  O: u32,
  V: u32,
  K: u32,
  I: u32,
  faultLabel: u32,
}

@group(0) @binding(0) var<storage, read> x: array<word>;                       // [O,V,I]
@group(0) @binding(1) var<storage, read> index: array<i32>;                    // [O,K,I]
@group(0) @binding(2) var<storage, read_write> y: array<word>;                 // [O,K,I]
@group(0) @binding(3) var<storage, read_write> faults: array<atomic<u32>, 4>;  // [4]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = folded_index(group, groups) * WORKGROUP + lane;
  if (at >= params.O * params.K * params.I) {
    return;
  }
  let o = at / params.I / params.K;
  let v = bitcast<u32>(index[at]);  // a negative one is a large one
  if (v < params.V) {
    y[at] = x[(o * params.V + v) * params.I + at % params.I];
  } else {
    y[at] = word();
    report_bad_index(params.faultLabel, at, index[at]);
  }
}
