// elementwise/accumulate (cpu)
// Math      y[i] += x[i]
// Shapes    x, y [n]
// Launch    one cell per element
// Numerics  f32; rounds once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/accumulate.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

template <class T>
void elementwise_accumulate(KERNEL_ARGS) {
  (void)params;
  (void)scratch;
  const auto *x = static_cast<const T *>(buffers[0]) + begin;  // [n]
  auto *y = static_cast<T *>(buffers[1]) + begin;              // [n]
  for_row(F32(), end - begin,
          [=](size_t i, auto part) HWY_ATTR { part.store(hn::Add(part.load(y + i), part.load(x + i)), y + i); });
}
KERNEL_TARGETS(elementwise_accumulate)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(elementwise_accumulate)
#endif
