// fill/value (cpu)
// Math      y[i] = value
// Shapes    y [n]
// Launch    one cell per element
// Numerics  rounds once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fill/value.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n;
  float value;
};

template <class T>
void fill_value(KERNEL_ARGS) {
  (void)scratch;
  auto *y = static_cast<T *>(buffers[0]);  // [n]
  T word;
  store1(static_cast<const Params *>(params)->value, &word);
  std::fill(y + begin, y + end, word);
}
KERNEL_TARGETS(fill_value)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(fill_value)
#endif
