// cast/from-int (cpu)
// Math      y[i] = x[i]
// Shapes    x [n] i32, or u32 where `isUnsigned` · y [n]
// Launch    one cell per element
// Numerics  rounds to f32, then to the storage type, to nearest even each time
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cast/from-int.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, isUnsigned;
};

template <class T>
void cast_from_int(KERNEL_ARGS) {
  (void)scratch;
  const auto *x = static_cast<const uint32_t *>(buffers[0]);  // [n]
  auto *y = static_cast<T *>(buffers[1]);                     // [n]
  if (static_cast<const Params *>(params)->isUnsigned)
    for (size_t i = begin; i < end; ++i) store1(static_cast<float>(x[i]), y + i);
  else
    for (size_t i = begin; i < end; ++i) store1(static_cast<float>(static_cast<int32_t>(x[i])), y + i);
}
KERNEL_TARGETS(cast_from_int)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(cast_from_int)
#endif
