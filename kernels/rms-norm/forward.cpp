// rms-norm/forward (cpu)
// Math      y[t,c] = x[t,c] * rstd[t] * weight[c];  rstd = 1 / sqrt(mean_c(x²) + eps)
// Shapes    x, y [T,C] · weight [C] · rstd [T] f32
// Method    per row: sum of squares → rstd; scale. Two passes over a row that stays in L1.
// Launch    one cell per row
// Numerics  f32; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rms-norm/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
  float eps;
};

template <class T>
void rms_norm_forward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  const auto *weight = static_cast<const T *>(buffers[1]);  // [C]
  auto *rstd = static_cast<float *>(buffers[3]);            // [T]

  for (size_t t = begin; t < end; ++t) {
    const T *x = static_cast<const T *>(buffers[0]) + t * C;  // [T,C]
    T *y = static_cast<T *>(buffers[2]) + t * C;              // [T,C]

    auto squares = hn::Zero(d);
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      const auto v = part.load(x + c);
      squares = hn::MulAdd(v, v, squares);
    });
    rstd[t] = 1.0f / std::sqrt(sum_of(d, squares) / static_cast<float>(C) + p.eps);

    const auto r = hn::Set(d, rstd[t]);
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      part.store(hn::Mul(hn::Mul(part.load(x + c), r), part.load(weight + c)), y + c);
    });
  }
}
KERNEL_TARGETS(rms_norm_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(rms_norm_forward)
#endif
