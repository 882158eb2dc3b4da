// elementwise/compare (cpu)
// Math      y[i] = 1 where a[i] ∘ b[i], else 0; false with NaN, but for notEqual
// Shapes    a, b [n] · y [n] i32
// Launch    one cell per element
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/compare.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"
#include "kernels/common/cpu/simd.h"
#include "kernels/elementwise/functions.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, f;
};

template <class V>
HWY_INLINE auto compare_vectors(uint32_t f, V a, V b) {
  switch (f) {
    case kNotEqual: return hn::Not(hn::Eq(a, b));
    case kLess: return hn::Lt(a, b);
    case kLessEqual: return hn::Le(a, b);
    case kGreater: return hn::Gt(a, b);
    case kGreaterEqual: return hn::Ge(a, b);
    default: return hn::Eq(a, b);
  }
}

template <class T>
void elementwise_compare(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *a = static_cast<const T *>(buffers[0]) + begin;  // [n]
  const auto *b = static_cast<const T *>(buffers[1]) + begin;  // [n]
  // i32 seen as the f32 of the same bits, since part.store stores those.
  auto *y = static_cast<float *>(buffers[2]) + begin;  // [n]
  const F32 d;
  const hn::RebindToSigned<F32> di;
  for_row(d, end - begin, [&](size_t i, auto part) HWY_ATTR {
    const auto holds = compare_vectors(p.f, part.load(a + i), part.load(b + i));
    const auto ones = hn::IfThenElseZero(hn::RebindMask(di, holds), hn::Set(di, 1));
    part.store(hn::BitCast(d, ones), y + i);
  });
}
KERNEL_TARGETS(elementwise_compare)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(elementwise_compare)
#endif
