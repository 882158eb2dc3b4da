// loss-scale/unscale (webgpu)
// Math      norm = scaled[0] / s;  clip = [norm, min(1, maxNorm / (norm + 1e-6)) / s];  where scaled[0] is not finite,
//           clip[1] = -1, which makes an optimiser skip the step, and counts[1] = 1
// Shapes    scaled [2] f32 = norm of the scaled gradients, unused · scale [1] f32 = s · clip [2] f32
//           counts [3] f32 = steps since s changed, whether a gradient is not finite, steps skipped
// Launch    one thread
// Limits    a norm above 1.8e19, whose square is beyond f32, counts as not finite

struct Params {
  maxNorm: f32,
}

@group(0) @binding(0) var<uniform> scaled: vec2<f32>;                   // [2]
@group(0) @binding(1) var<uniform> scale: f32;                          // [1]
@group(0) @binding(2) var<storage, read_write> counts: array<f32, 3>;   // [3]
@group(0) @binding(3) var<storage, read_write> clip: array<f32, 2>;     // [2]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  let norm = scaled.x / scale;
  let factor = select(1.0, params.maxNorm / (norm + 1e-6), norm + 1e-6 > params.maxNorm);
  // WGSL may assume that no float is infinite or NaN; the bits cannot be assumed away.
  let finite = (bitcast<u32>(scaled.x) & 0x7f800000u) != 0x7f800000u;
  clip[0] = norm;
  clip[1] = select(-1.0, factor / scale, finite);
  if (!finite) {
    counts[1] = 1.0;
  }
}
