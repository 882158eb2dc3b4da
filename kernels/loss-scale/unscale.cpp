// loss-scale/unscale (cpu)
// Math      norm = scaled[0] / s;  clip = [norm, min(1, maxNorm / (norm + 1e-6)) / s];  where scaled[0] is not finite,
//           clip[1] = -1, which makes an optimiser skip the step, and counts[1] = 1
// Shapes    scaled [2] f32 = norm of the scaled gradients, unused · scale [1] f32 = s · clip [2] f32
//           counts [3] f32 = steps since s changed, whether a gradient is not finite, steps skipped
// Launch    one cell
// Limits    a norm above 1.8e19, whose square is beyond f32, counts as not finite
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss-scale/unscale.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  float maxNorm;
};

template <class T>
void loss_scale_unscale(KERNEL_ARGS) {
  (void)begin, (void)end, (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const float scaled = static_cast<const float *>(buffers[0])[0];  // [2]
  const float scale = static_cast<const float *>(buffers[1])[0];   // [1]
  auto *counts = static_cast<float *>(buffers[2]);                 // [3]
  auto *clip = static_cast<float *>(buffers[3]);                   // [2]

  const float norm = scaled / scale;
  const float factor = norm + 1e-6f > p.maxNorm ? p.maxNorm / (norm + 1e-6f) : 1.0f;
  const bool finite = std::isfinite(scaled);
  clip[0] = norm;
  clip[1] = finite ? factor / scale : -1.0f;
  if (!finite) counts[1] = 1.0f;
}
KERNEL_TARGETS(loss_scale_unscale)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(loss_scale_unscale)
#endif
