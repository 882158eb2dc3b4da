// common: binary, grid
// elementwise/binary-broadcast (webgpu)
// Math      y[i0..i5] = f(a[Σ ik ak], b[Σ ik bk]); f by its code in functions.ts
// Shapes    y [d0..d5] contiguous · a, b read through strides
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32; rounds once

struct Params {
  n: u32,
  f: u32,
  d0: u32,
  d1: u32,
  d2: u32,
  d3: u32,
  d4: u32,
  d5: u32,
  a0: u32,
  a1: u32,
  a2: u32,
  a3: u32,
  a4: u32,
  a5: u32,
  b0: u32,
  b1: u32,
  b2: u32,
  b3: u32,
  b4: u32,
  b5: u32,
}

@group(0) @binding(0) var<storage, read> a: array<value>;              // [a]
@group(0) @binding(1) var<storage, read> b: array<value>;              // [b]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<value>>;  // [n]
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
  let sizes = array(params.d0, params.d1, params.d2, params.d3, params.d4, params.d5);
  let a_strides = array(params.a0, params.a1, params.a2, params.a3, params.a4, params.a5);
  let b_strides = array(params.b0, params.b1, params.b2, params.b3, params.b4, params.b5);
  var a_four: vec4<f32>;
  var b_four: vec4<f32>;
  for (var c = 0u; c < 4u; c++) {
    var left = 4u * i + c;
    var ia = 0u;
    var ib = 0u;
    for (var k = 6u; k > 0u; k--) {
      let index = left % sizes[k - 1u];
      left /= sizes[k - 1u];
      ia += index * a_strides[k - 1u];
      ib += index * b_strides[k - 1u];
    }
    a_four[c] = f32(a[ia]);
    b_four[c] = f32(b[ib]);
  }
  y[i] = vec4<value>(combine(params.f, a_four, b_four));
}
