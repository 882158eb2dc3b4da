// common: grid
// copy/strided (webgpu)
// Math      y[yOffset + Σ ik yk] = x[xOffset + Σ ik xk]
// Shapes    i runs over [d0..d5]; x and y are read and written through strides, elements of y outside are left alone
// Tiling    a thread owns an element
// Launch    grid (ceil(n / WORKGROUP)) folded, WORKGROUP threads
// Numerics  moves bits

struct Params {
  n: u32,
  d0: u32,
  d1: u32,
  d2: u32,
  d3: u32,
  d4: u32,
  d5: u32,
  x0: u32,
  x1: u32,
  x2: u32,
  x3: u32,
  x4: u32,
  x5: u32,
  y0: u32,
  y1: u32,
  y2: u32,
  y3: u32,
  y4: u32,
  y5: u32,
  xOffset: u32,
  yOffset: u32,
}

@group(0) @binding(0) var<storage, read> x: array<word>;        // [x]
@group(0) @binding(1) var<storage, read_write> y: array<word>;  // [y]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= params.n) {
    return;
  }
  let i5 = i % params.d5;
  var left = i / params.d5;
  let i4 = left % params.d4;
  left /= params.d4;
  let i3 = left % params.d3;
  left /= params.d3;
  let i2 = left % params.d2;
  left /= params.d2;
  let i1 = left % params.d1;
  let i0 = left / params.d1;
  let source = i0 * params.x0 + i1 * params.x1 + i2 * params.x2 + i3 * params.x3 + i4 * params.x4 + i5 * params.x5;
  let to = i0 * params.y0 + i1 * params.y1 + i2 * params.y2 + i3 * params.y3 + i4 * params.y4 + i5 * params.y5;
  y[params.yOffset + to] = x[params.xOffset + source];
}
