// common: grid, math, storage-load
// cast/to-int (webgpu)
// Math      y[i] = x[i] rounded towards zero; the nearest end of the range where that is outside, 0 for NaN
// Shapes    x [n] · y [n] i32, or u32 where `isUnsigned`
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads

struct Params {
  n: u32,
  isUnsigned: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec2<u32>>;        // [n], words of any storage type
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;  // [n]
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
  let four = load(i);
  let whole = select(bitcast<vec4<u32>>(to_signed(four)), to_unsigned(four), params.isUnsigned == 1u);
  y[i] = select(whole, vec4(0u), are_nan(four));
}

// The bounds are powers of two, which f32 holds.
fn to_signed(v: vec4<f32>) -> vec4<i32> {
  let inside = vec4<i32>(clamp(v, vec4(-2147483648.0), vec4(2147483520.0)));
  return select(inside, vec4(0x7fffffff), v >= vec4(2147483648.0));
}
fn to_unsigned(v: vec4<f32>) -> vec4<u32> {
  let inside = vec4<u32>(clamp(v, vec4(0.0), vec4(4294967040.0)));
  return select(inside, vec4(0xffffffffu), v >= vec4(4294967296.0));
}
