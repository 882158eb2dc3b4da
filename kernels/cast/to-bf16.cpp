// cast/to-bf16 (cpu)
// Math      y[i] = x[i] in bf16
// Shapes    x [n] · y [n] bf16
// Launch    one cell per element
// Numerics  rounds to nearest even
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cast/to-bf16.cpp"
#include "hwy/foreach_target.h"
#include "kernels/cast/convert.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

template <class T>
void cast_to_bf16(KERNEL_ARGS) {
  (void)params;
  (void)scratch;
  const auto *x = static_cast<const T *>(buffers[0]);  // [n]
  auto *y = static_cast<bf16 *>(buffers[1]);           // [n]
  convert(x, y, begin, end);
}
KERNEL_TARGETS(cast_to_bf16)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(cast_to_bf16)
#endif
