// adamw/advance (cpu)
// Math      lr = rate[0];  c1 = b1 c1 + (1 - b1);  c2 = b2 c2 + (1 - b2) in each row of `slots`;  nothing changes where
//           clip[1] < 0
// Shapes    rate [4] f32 = lr, unused · slots [count] u32 · clip [2] f32 = norm, factor · schedule [parameters,4] f32, a
//           row = lr, c1, c2, unused
// Method    1 - bᵗ is the moment of a gradient of ones: a sum of positive terms, where 1 - 0.999 in f32 loses 5e-5 of itself
// Launch    one cell per row
// Numerics  each step in f64, kept in f32
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adamw/advance.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t count, parameters;
  float beta1, rest1, beta2, rest2;
  uint32_t hasClip;
};

template <class T>
void adamw_advance(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *rate = static_cast<const float *>(buffers[0]);      // [4]
  const auto *slots = static_cast<const uint32_t *>(buffers[1]);  // [count]
  const auto *clip = static_cast<const float *>(buffers[2]);      // [2]
  auto *schedule = static_cast<float *>(buffers[3]);              // [parameters,4]
  if (p.hasClip && clip[1] < 0.0f) return;

  const double beta1 = p.beta1, beta2 = p.beta2;
  for (size_t i = begin; i < end; ++i) {
    float *row = schedule + 4 * size_t{slots[i]};
    row[0] = rate[0];
    row[1] = static_cast<float>(beta1 * row[1] + p.rest1);
    row[2] = static_cast<float>(beta2 * row[2] + p.rest2);
  }
}
KERNEL_TARGETS(adamw_advance)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(adamw_advance)
#endif
