// common: fault, grid
// gather/scatter-add (webgpu)
// Math      y[o,v,i] = base[o,v,i] + Σ_{k: index[o,k,i] = v} x[o,k,i]; a fault where the index is outside [0, V)
// Shapes    x [O,K,I] · index [O,K,I] i32 · base, y [O,V,I], base optional (0) · faults u32[4]
// Method    each element of y looks through the K indices of its column: no atomics, one order. The element of v = 0
//           reports the faults of its column.
// Tiling    a thread owns an element of y
// Launch    grid (ceil(elements / WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32 in the order of k; rounds once
// Limits    O V I K comparisons

struct Params {
  O: u32,
  V: u32,
  K: u32,
  I: u32,
  faultLabel: u32,
  hasBase: u32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;                      // [O,K,I]
@group(0) @binding(1) var<storage, read> index: array<i32>;                    // [O,K,I]
@group(0) @binding(2) var<storage, read> base: array<value>;                   // [O,V,I]
@group(0) @binding(3) var<storage, read_write> y: array<value>;                // [O,V,I]
@group(0) @binding(4) var<storage, read_write> faults: array<atomic<u32>, 4>;  // [4]
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let to = folded_index(group, groups) * WORKGROUP + lane;
  if (to >= params.O * params.V * params.I) {
    return;
  }
  let i = to % params.I;
  let v = to / params.I % params.V;
  let o = to / params.I / params.V;

  var sum = 0.0;
  if (params.hasBase == 1u) {
    sum = f32(base[to]);
  }
  for (var k = 0u; k < params.K; k++) {
    let at = (o * params.K + k) * params.I + i;
    let found = bitcast<u32>(index[at]);  // a negative one is a large one
    if (found == v) {
      sum += f32(x[at]);
    }
    if (v == 0u && found >= params.V) {
      report_bad_index(params.faultLabel, at, index[at]);
    }
  }
  y[to] = value(sum);
}
