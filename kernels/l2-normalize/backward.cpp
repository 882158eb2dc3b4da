// l2-normalize/backward (cpu)
// Math      dx[t,c] = (dy[t,c] - n[t,c] * Σ_c dy n) / max(norm[t], eps);  n = x / max(norm, eps);
//           the sum counts only where norm >= eps: below, the divisor is a constant
// Shapes    dy, x, dx [T,C] · norm [T] f32
// Method    per row: the sum in one pass, then dx in a second over a row that stays in L1
// Launch    one cell per row
// Numerics  f32; divides rather than scales, since 1 / eps may be beyond f32; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/l2-normalize/backward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
  float eps;
};

template <class T>
void l2_normalize_backward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  const auto *norm = static_cast<const float *>(buffers[2]);  // [T]

  for (size_t t = begin; t < end; ++t) {
    const T *dy = static_cast<const T *>(buffers[0]) + t * C;  // [T,C]
    const T *x = static_cast<const T *>(buffers[1]) + t * C;   // [T,C]
    T *dx = static_cast<T *>(buffers[3]) + t * C;              // [T,C]
    const auto divisor = hn::Set(d, std::max(norm[t], p.eps));

    auto along = hn::Zero(d);
    if (norm[t] >= p.eps) {
      for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
        along = hn::MulAdd(part.load(dy + c), hn::Div(part.load(x + c), divisor), along);
      });
      along = hn::Set(d, sum_of(d, along));
    }

    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      const auto n = hn::Div(part.load(x + c), divisor);
      part.store(hn::Div(hn::NegMulAdd(n, along, part.load(dy + c)), divisor), dx + c);
    });
  }
}
KERNEL_TARGETS(l2_normalize_backward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(l2_normalize_backward)
#endif
