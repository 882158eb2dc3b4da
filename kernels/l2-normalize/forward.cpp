// l2-normalize/forward (cpu)
// Math      y[t,c] = x[t,c] / max(norm[t], eps);  norm[t] = sqrt(Σ_c x²)
// Shapes    x, y [T,C] · norm [T] f32
// Method    per row: sum of squares → norm; scale. Two passes over a row that stays in L1.
// Launch    one cell per row
// Numerics  f32; stores round once
// Limits    norms above 1.8e19 overflow their square
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/l2-normalize/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>
#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
  float eps;
};

template <class T>
void l2_normalize_forward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  auto *norm = static_cast<float *>(buffers[2]);  // [T]

  for (size_t t = begin; t < end; ++t) {
    const T *x = static_cast<const T *>(buffers[0]) + t * C;  // [T,C]
    T *y = static_cast<T *>(buffers[1]) + t * C;              // [T,C]

    auto squares = hn::Zero(d);
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      const auto v = part.load(x + c);
      squares = hn::MulAdd(v, v, squares);
    });
    norm[t] = std::sqrt(sum_of(d, squares));

    const auto divisor = hn::Set(d, std::max(norm[t], p.eps));
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR { part.store(hn::Div(part.load(x + c), divisor), y + c); });
  }
}
KERNEL_TARGETS(l2_normalize_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(l2_normalize_forward)
#endif
