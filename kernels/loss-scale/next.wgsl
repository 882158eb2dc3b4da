// loss-scale/next (webgpu)
// Math      a gradient was not finite: s = s · backoff, steps = 0, skipped += 1
//           else: steps += 1, and at `interval` of them s = s · growth (where f32 holds it), steps = 0
// Shapes    scale [1] f32 = s · counts [3] f32 = steps since s changed, whether a gradient is not finite, steps skipped
// Launch    one thread

struct Params {
  growth: f32,
  backoff: f32,
  interval: u32,
}

@group(0) @binding(0) var<storage, read_write> scale: array<f32, 1>;    // [1]
@group(0) @binding(1) var<storage, read_write> counts: array<f32, 3>;   // [3]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  let found = counts[1] != 0.0;
  counts[1] = 0.0;
  if (found) {
    scale[0] *= params.backoff;
    counts[0] = 0.0;
    counts[2] += 1.0;
    return;
  }
  counts[0] += 1.0;
  if (counts[0] < f32(params.interval)) {
    return;
  }
  counts[0] = 0.0;
  // WGSL may assume that no float is infinite: what must not overflow is compared before it is multiplied.
  if (scale[0] <= 3.4028234e38 / params.growth) {
    scale[0] *= params.growth;
  }
}
