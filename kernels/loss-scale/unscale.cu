// loss-scale/unscale (cuda)
// Math      norm = scaled[0] / s;  clip = [norm, min(1, maxNorm / (norm + 1e-6)) / s];  where scaled[0] is not finite,
//           clip[1] = -1, which makes an optimiser skip the step, and counts[1] = 1
// Shapes    scaled [2] f32 = norm of the scaled gradients, unused · scale [1] f32 = s · clip [2] f32
//           counts [3] f32 = steps since s changed, whether a gradient is not finite, steps skipped
// Launch    one thread
// Limits    a norm above 1.8e19, whose square is beyond f32, counts as not finite
#include "../common/cuda/finite.cuh"

struct Params {
  float maxNorm;
};

extern "C" __global__ void __launch_bounds__(1) loss_scale_unscale_f32(const float *__restrict__ scaled,  // [2]
                                                                       const float *__restrict__ scale,   // [1]
                                                                       float *__restrict__ counts,        // [3]
                                                                       float *__restrict__ clip,          // [2]
                                                                       const Params p) {
  const float norm = scaled[0] / scale[0];
  const float factor = norm + 1e-6f > p.maxNorm ? p.maxNorm / (norm + 1e-6f) : 1.0f;
  const bool finite = is_finite(scaled[0]);
  clip[0] = norm;
  clip[1] = finite ? factor / scale[0] : -1.0f;
  if (!finite) counts[1] = 1.0f;
}
