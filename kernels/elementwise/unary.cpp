// elementwise/unary (cpu)
// Math      y[i] = f(x[i]); f by its code in functions.ts, with parameters alpha and beta
// Shapes    x, y [n]
// Launch    one cell per element; chunks are whole vectors but for the last
// Numerics  f32; functions within 4 units in the last place, except gelu's (common/cpu/activation.h)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/unary.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"
#include "kernels/common/cpu/simd.h"
#include "kernels/elementwise/functions.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, f;
  float alpha, beta;
};

template <class T>
void elementwise_unary(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const T *>(buffers[0]) + begin;  // [n]
  auto *y = static_cast<T *>(buffers[1]) + begin;              // [n]
  with_unary(p.f, p.alpha, p.beta, [=](auto f) HWY_ATTR {
    for_row(F32(), end - begin, [=](size_t i, auto part) HWY_ATTR { part.store(f(F32(), part.load(x + i)), y + i); });
  });
}
KERNEL_TARGETS(elementwise_unary)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(elementwise_unary)
#endif
