// common: grid
// attention prefix (webgpu): both buffers of the prefix side by side in scratch, in front of what else it holds
// Math      scratch[i] = prefixKeys[i], scratch[P G D + i] = prefixValues[i]
// Shapes    prefixKeys, prefixValues [P,G,D] · scratch f32
// Method    A launch of WebGPU binds eight storage buffers at most: with the prefix in scratch, which they have anyway,
//           those of attention need no more.
// Launch    grid (P G D / WORKGROUP) folded, WORKGROUP threads; empty where there is no prefix

struct Params {
  B: u32,
  L: u32,
  S: u32,
  H: u32,
  G: u32,
  D: u32,
  P: u32,
  causal: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  hasMask: u32,
  hasPrefix: u32,
  qPitch: u32,
  kvPitch: u32,
  qOffset: u32,
  kOffset: u32,
  vOffset: u32,
  kvCapacity: u32,
}

@group(0) @binding(0) var<storage, read> prefixKeys: array<value>;    // [P,G,D]
@group(0) @binding(1) var<storage, read> prefixValues: array<value>;  // [P,G,D]
@group(0) @binding(2) var<storage, read_write> scratch: array<f32>;   // prefix keys, prefix values [P,G,D]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  let size = params.P * params.G * params.D;
  if (i < size) {
    scratch[i] = f32(prefixKeys[i]);
    scratch[size + i] = f32(prefixValues[i]);
  }
}
