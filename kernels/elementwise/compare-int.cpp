// elementwise/compare-int (cpu)
// Math      y[i] = 1 where a[i] ∘ b[i], else 0
// Shapes    a, b, y [n] i32
// Launch    one cell per element
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/compare-int.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"
#include "kernels/elementwise/functions.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, f;
};

void elementwise_compare_int_f32(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *a = static_cast<const int32_t *>(buffers[0]);  // [n]
  const auto *b = static_cast<const int32_t *>(buffers[1]);  // [n]
  auto *y = static_cast<int32_t *>(buffers[2]);              // [n]
  // Plain loops: the compiler makes vectors of integer comparisons.
  const auto run = [=](auto holds) HWY_ATTR {
    for (size_t i = begin; i < end; ++i) y[i] = holds(a[i], b[i]) ? 1 : 0;
  };
  switch (p.f) {
    case kEqual: return run([](int32_t u, int32_t v) { return u == v; });
    case kNotEqual: return run([](int32_t u, int32_t v) { return u != v; });
    case kLess: return run([](int32_t u, int32_t v) { return u < v; });
    case kLessEqual: return run([](int32_t u, int32_t v) { return u <= v; });
    case kGreater: return run([](int32_t u, int32_t v) { return u > v; });
    case kGreaterEqual: return run([](int32_t u, int32_t v) { return u >= v; });
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER_ONE(elementwise_compare_int_f32)
#endif
