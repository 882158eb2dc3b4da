// common: grid
// elementwise/compare-int (webgpu)
// Math      y[i] = 1 where a[i] ∘ b[i], else 0
// Shapes    a, b, y [n] i32
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads

struct Params {
  n: u32,
  f: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<i32>>;        // [n]
@group(0) @binding(1) var<storage, read> b: array<vec4<i32>>;        // [n]
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
  y[i] = select(vec4(0), vec4(1), holds(a[i], b[i]));
}

fn holds(a: vec4<i32>, b: vec4<i32>) -> vec4<bool> {
  switch (params.f) {
    case 0u: { return a == b; }
    case 1u: { return a != b; }
    case 2u: { return a < b; }
    case 3u: { return a <= b; }
    case 4u: { return a > b; }
    default: { return a >= b; }
  }
}
