// common: grid, storage
// cast/from-int (webgpu)
// Math      y[i] = x[i]
// Shapes    x [n] i32, or u32 where `isUnsigned` · y [n]
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  rounds to f32, then to the storage type

struct Params {
  n: u32,
  isUnsigned: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;        // [n]
@group(0) @binding(1) var<storage, read_write> y: array<vec2<u32>>;  // [n], words of any storage type
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= (params.n + 3u) / 4u) {
    return;
  }
  let four = x[i];
  store(i, select(vec4<f32>(bitcast<vec4<i32>>(four)), vec4<f32>(four), params.isUnsigned == 1u));
}

// Elements 4i to 4i + 3.
fn store(i: u32, four: vec4<f32>) {
  if (STORAGE == F32) {
    let words = bitcast<vec4<u32>>(four);
    y[2u * i] = words.xy;
    y[2u * i + 1u] = words.zw;
  } else if (STORAGE == BF16) {
    y[i] = pack_bf16(four);
  } else {
    y[i] = pack_f16(four);
  }
}
