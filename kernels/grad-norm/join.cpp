// grad-norm/join (cpu)
// Math      clip[0] = √Σ partials;  clip[1] = min(1, maxNorm / (clip[0] + 1e-6))
// Shapes    partials [count] f32 · clip [2] f32
// Launch    one cell
// Numerics  the few partial sums are joined in f64
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/grad-norm/join.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t count;
  float maxNorm;
};

template <class T>
void grad_norm_join(KERNEL_ARGS) {
  (void)begin, (void)end, (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *partials = static_cast<const float *>(buffers[0]);  // [count]
  auto *clip = static_cast<float *>(buffers[1]);                  // [2]
  double sum = 0;
  for (uint32_t i = 0; i < p.count; ++i) sum += partials[i];
  const double norm = std::sqrt(sum);
  clip[0] = static_cast<float>(norm);
  const double factor = p.maxNorm / (norm + 1e-6);
  clip[1] = factor > 1 ? 1.0f : static_cast<float>(factor);
}
KERNEL_TARGETS(grad_norm_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(grad_norm_join)
#endif
