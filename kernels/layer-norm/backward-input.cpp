// layer-norm/backward-input (cpu)
// Math      dx[t,c] = rstd[t] * (g[t,c] - mean_c(g) - n[t,c] * mean_c(g n));  g = dy * weight, n = (x - mean) * rstd
// Shapes    dy, x, dx [T,C] · weight [C] · mean, rstd [T] f32
// Method    per row: both means in one pass, then dx in a second over a row that stays in L1
// Launch    one cell per row
// Numerics  f32; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer-norm/backward-input.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
};

template <class T>
void layer_norm_backward_input(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  const auto *weight = static_cast<const T *>(buffers[2]);    // [C]
  const auto *mean = static_cast<const float *>(buffers[3]);  // [T]
  const auto *rstd = static_cast<const float *>(buffers[4]);  // [T]

  for (size_t t = begin; t < end; ++t) {
    const T *dy = static_cast<const T *>(buffers[0]) + t * C;  // [T,C]
    const T *x = static_cast<const T *>(buffers[1]) + t * C;   // [T,C]
    T *dx = static_cast<T *>(buffers[5]) + t * C;              // [T,C]
    const auto m = hn::Set(d, mean[t]), r = hn::Set(d, rstd[t]);

    auto sum_g = hn::Zero(d), sum_gn = hn::Zero(d);
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      const auto g = hn::Mul(part.load(dy + c), part.load(weight + c));
      const auto n = hn::Mul(hn::Sub(part.load(x + c), m), r);
      sum_g = hn::Add(sum_g, g);
      sum_gn = hn::MulAdd(g, n, sum_gn);
    });

    const float width = static_cast<float>(C);
    const auto mean_g = hn::Set(d, sum_of(d, sum_g) / width), mean_gn = hn::Set(d, sum_of(d, sum_gn) / width);
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      const auto g = hn::Mul(part.load(dy + c), part.load(weight + c));
      const auto n = hn::Mul(hn::Sub(part.load(x + c), m), r);
      part.store(hn::Mul(r, hn::NegMulAdd(n, mean_gn, hn::Sub(g, mean_g))), dx + c);
    });
  }
}
KERNEL_TARGETS(layer_norm_backward_input)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(layer_norm_backward_input)
#endif
