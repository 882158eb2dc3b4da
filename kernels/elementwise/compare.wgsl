// common: grid, math
// elementwise/compare (webgpu)
// Math      y[i] = 1 where a[i] ∘ b[i], else 0; false with NaN, but for notEqual
// Shapes    a, b [n] · y [n] i32
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads

struct Params {
  n: u32,
  f: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<value>>;      // [n]
@group(0) @binding(1) var<storage, read> b: array<vec4<value>>;      // [n]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<i32>>;  // [n]
@group(0) @binding(3) var<uniform> params: Params;

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
  y[i] = select(vec4(0), vec4(1), holds(vec4<f32>(a[i]), vec4<f32>(b[i])));
}

// An implementation need not compare NaN as IEEE does.
fn holds(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
  let ordered = !(are_nan(a) | are_nan(b));
  switch (params.f) {
    case 0u: { return ordered & (a == b); }
    case 1u: { return !(ordered & (a == b)); }
    case 2u: { return ordered & (a < b); }
    case 3u: { return ordered & (a <= b); }
    case 4u: { return ordered & (a > b); }
    default: { return ordered & (a >= b); }
  }
}
