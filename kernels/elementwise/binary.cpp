// elementwise/binary (cpu)
// Math      y[i] = f(a[i], b[i])
// Shapes    a, b, y [n]
// Launch    one cell per element
// Numerics  f32; rounds once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/binary.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"
#include "kernels/common/cpu/simd.h"
#include "kernels/elementwise/functions.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, f;
};

template <class T>
void elementwise_binary(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *a = static_cast<const T *>(buffers[0]) + begin;  // [n]
  const auto *b = static_cast<const T *>(buffers[1]) + begin;  // [n]
  auto *y = static_cast<T *>(buffers[2]) + begin;              // [n]
  with_binary(p.f, [=](auto f) HWY_ATTR {
    for_row(F32(), end - begin,
            [=](size_t i, auto part) HWY_ATTR { part.store(f(F32(), part.load(a + i), part.load(b + i)), y + i); });
  });
}
KERNEL_TARGETS(elementwise_binary)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(elementwise_binary)
#endif
