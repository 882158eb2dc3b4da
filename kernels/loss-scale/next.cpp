// loss-scale/next (cpu)
// Math      a gradient was not finite: s = s · backoff, steps = 0, skipped += 1
//           else: steps += 1, and at `interval` of them s = s · growth (where f32 holds it), steps = 0
// Shapes    scale [1] f32 = s · counts [3] f32 = steps since s changed, whether a gradient is not finite, steps skipped
// Launch    one cell
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss-scale/next.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  float growth, backoff;
  uint32_t interval;
};

template <class T>
void loss_scale_next(KERNEL_ARGS) {
  (void)begin, (void)end, (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  auto *scale = static_cast<float *>(buffers[0]);   // [1]
  auto *counts = static_cast<float *>(buffers[1]);  // [3]

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
  if (std::isfinite(grown)) scale[0] = grown;
}
KERNEL_TARGETS(loss_scale_next)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(loss_scale_next)
#endif
