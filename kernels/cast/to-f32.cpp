// cast/to-f32 (cpu)
// Math      y[i] = x[i] in f32
// Shapes    x [n] · y [n] f32
// Launch    one cell per element
// Numerics  exact
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cast/to-f32.cpp"
#include "hwy/foreach_target.h"
#include "kernels/cast/convert.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

template <class T>
void cast_to_f32(KERNEL_ARGS) {
  (void)params;
  (void)scratch;
  const auto *x = static_cast<const T *>(buffers[0]);  // [n]
  auto *y = static_cast<float *>(buffers[1]);          // [n]
  convert(x, y, begin, end);
}
KERNEL_TARGETS(cast_to_f32)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(cast_to_f32)
#endif
