// common: reduce
// grad-norm/join (webgpu)
// Math      clip[0] = √Σ partials;  clip[1] = min(1, maxNorm / (clip[0] + 1e-6))
// Shapes    partials [count] f32 · clip [2] f32
// Tiling    one workgroup; a thread owns every WORKGROUP-th partial sum
// Launch    grid (1), WORKGROUP threads
// Numerics  f32; the order of the sum depends on count only

struct Params {
  count: u32,
  maxNorm: f32,
}

@group(0) @binding(0) var<storage, read> partials: array<f32>;    // [count]
@group(0) @binding(1) var<storage, read_write> clip: array<f32>;  // [2]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  var squares = 0.0;
  for (var i = lane; i < params.count; i += WORKGROUP) {
    squares += partials[i];
  }
  let norm = sqrt(workgroup_sum(squares, lane));

  if (lane == 0u) {
    clip[0] = norm;
    // Not min(), which may take the other for NaN.
    let factor = params.maxNorm / (norm + 1e-6);
    clip[1] = select(factor, 1.0, factor > 1.0);
  }
}
