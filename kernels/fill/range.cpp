// fill/range (cpu)
// Math      y[i] = start + i step
// Shapes    y [n]
// Launch    one cell per element
// Numerics  i step + start in float64, so that i is exact; rounds once to f32, then to the storage type
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fill/range.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n;
  float start, step;
};

template <class T>
void fill_range(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  auto *y = static_cast<T *>(buffers[0]);  // [n]
  for (size_t i = begin; i < end; ++i)
    store1(static_cast<float>(static_cast<double>(p.start) + static_cast<double>(i) * static_cast<double>(p.step)),
           y + i);
}
KERNEL_TARGETS(fill_range)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(fill_range)
#endif
