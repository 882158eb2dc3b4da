// softmax/backward (cpu)
// Math      dx[t,c] = y[t,c] * (dy[t,c] - Σ_c dy y);  when `log`: dx[t,c] = dy[t,c] - exp(y[t,c]) * Σ_c dy
// Shapes    dy, y, dx [T,C]
// Method    per row: the sum in one pass, then dx in a second over a row that stays in L1
// Launch    one cell per row
// Numerics  f32; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax/backward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/exp.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C, log;
};

template <class T>
HWY_INLINE void softmax_row(const F32 d, size_t C, const T *dy, const T *y, T *dx) {
  auto along = hn::Zero(d);
  for_row(d, C, [&](size_t c, auto part) HWY_ATTR { along = hn::MulAdd(part.load(dy + c), part.load(y + c), along); });
  const auto sum = hn::Set(d, sum_of(d, along));
  for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
    part.store(hn::Mul(part.load(y + c), hn::Sub(part.load(dy + c), sum)), dx + c);
  });
}

template <class T>
HWY_INLINE void log_softmax_row(const F32 d, size_t C, const T *dy, const T *y, T *dx) {
  auto total = hn::Zero(d);
  for_row(d, C, [&](size_t c, auto part) HWY_ATTR { total = hn::Add(total, part.load(dy + c)); });
  const auto sum = hn::Set(d, sum_of(d, total));
  for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
    part.store(hn::NegMulAdd(exp_or_zero(d, part.load(y + c)), sum, part.load(dy + c)), dx + c);
  });
}

template <class T>
void softmax_backward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;

  for (size_t t = begin; t < end; ++t) {
    const T *dy = static_cast<const T *>(buffers[0]) + t * C;  // [T,C]
    const T *y = static_cast<const T *>(buffers[1]) + t * C;   // [T,C]
    T *dx = static_cast<T *>(buffers[2]) + t * C;              // [T,C]
    if (p.log)
      log_softmax_row(d, C, dy, y, dx);
    else
      softmax_row(d, C, dy, y, dx);
  }
}
KERNEL_TARGETS(softmax_backward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(softmax_backward)
#endif
