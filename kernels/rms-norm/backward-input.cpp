// rms-norm/backward-input (cpu)
// Math      dx[t,c] = rstd[t] * (g[t,c] - n[t,c] * mean_c(g n));  g = dy * weight, n = x * rstd
// Shapes    dy, x, dx [T,C] · weight [C] · rstd [T] f32
// Method    per row: the mean in one pass, then dx in a second over a row that stays in L1
// Launch    one cell per row
// Numerics  f32; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rms-norm/backward-input.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
};

template <class T>
void rms_norm_backward_input(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  const auto *weight = static_cast<const T *>(buffers[2]);    // [C]
  const auto *rstd = static_cast<const float *>(buffers[3]);  // [T]

  for (size_t t = begin; t < end; ++t) {
    const T *dy = static_cast<const T *>(buffers[0]) + t * C;  // [T,C]
    const T *x = static_cast<const T *>(buffers[1]) + t * C;   // [T,C]
    T *dx = static_cast<T *>(buffers[4]) + t * C;              // [T,C]
    const auto r = hn::Set(d, rstd[t]);

    auto sum = hn::Zero(d);
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      const auto g = hn::Mul(part.load(dy + c), part.load(weight + c));
      sum = hn::MulAdd(g, hn::Mul(part.load(x + c), r), sum);
    });

    const auto mean = hn::Set(d, sum_of(d, sum) / static_cast<float>(C));
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      const auto g = hn::Mul(part.load(dy + c), part.load(weight + c));
      part.store(hn::Mul(r, hn::NegMulAdd(hn::Mul(part.load(x + c), r), mean, g)), dx + c);
    });
  }
}
KERNEL_TARGETS(rms_norm_backward_input)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(rms_norm_backward_input)
#endif
