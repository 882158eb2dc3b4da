// cast/to-int (cpu)
// Math      y[i] = x[i] rounded towards zero; the nearest end of the range where that is outside, 0 for NaN
// Shapes    x [n] · y [n] i32, or u32 where `isUnsigned`
// Launch    one cell per element
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cast/to-int.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, isUnsigned;
};

// The bounds are powers of two, which f32 holds: at the upper one itself the conversion would be undefined.
template <class Int>
HWY_INLINE Int truncate(float v, float low, float high, Int lowest, Int highest) {
  return v >= high ? highest : v <= low ? lowest : v == v ? static_cast<Int>(v) : 0;
}

template <class T>
void cast_to_int(KERNEL_ARGS) {
  (void)scratch;
  const auto *x = static_cast<const T *>(buffers[0]);  // [n]
  auto *y = static_cast<uint32_t *>(buffers[1]);       // [n]
  if (static_cast<const Params *>(params)->isUnsigned)
    for (size_t i = begin; i < end; ++i) y[i] = truncate<uint32_t>(load1(x + i), 0.0f, 4294967296.0f, 0u, UINT32_MAX);
  else
    for (size_t i = begin; i < end; ++i)
      y[i] =
          static_cast<uint32_t>(truncate<int32_t>(load1(x + i), -2147483648.0f, 2147483648.0f, INT32_MIN, INT32_MAX));
}
KERNEL_TARGETS(cast_to_int)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(cast_to_int)
#endif
