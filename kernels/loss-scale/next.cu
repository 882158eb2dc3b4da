// loss-scale/next (cuda)
// Math      a gradient was not finite: s = s · backoff, steps = 0, skipped += 1
//           else: steps += 1, and at `interval` of them s = s · growth (where f32 holds it), steps = 0
// Shapes    scale [1] f32 = s · counts [3] f32 = steps since s changed, whether a gradient is not finite, steps skipped
// Launch    one thread
#include "../common/cuda/finite.cuh"

struct Params {
  float growth, backoff;
  uint32_t interval;
};

extern "C" __global__ void __launch_bounds__(1) loss_scale_next_f32(float *__restrict__ scale,   // [1]
                                                                    float *__restrict__ counts,  // [3]
                                                                    const Params p) {
  const bool found = counts[1] != 0.0f;
  counts[1] = 0.0f;
  if (found) {
    scale[0] *= p.backoff;
    counts[0] = 0.0f;
    counts[2] += 1.0f;
    return;
  }
  counts[0] += 1.0f;
  if (counts[0] < static_cast<float>(p.interval)) return;
  counts[0] = 0.0f;
  const float grown = scale[0] * p.growth;
  if (is_finite(grown)) scale[0] = grown;
}
