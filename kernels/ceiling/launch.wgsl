// ceiling/launch (webgpu)
// Math      y[0] = value
// Shapes    y [1] u32
// Method    as good as nothing: one word tells that it has run
// Launch    one thread

struct Params {
  value: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<u32>;  // [1]
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main() {
  y[0] = params.value;
}
