// softmax/forward (cpu)
// Math      y[t,c] = exp(x[t,c] - m) / s, or x[t,c] - m - log s when `log`;  m = max_c x, s = Σ_c exp(x - m)
// Shapes    x, y [T,C]
// Method    per row: maximum; exponentials into the workspace and their sum; scale. `log` keeps no exponentials.
// Launch    one cell per row
// Numerics  f32; no exponential overflows, whatever finite x; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/exp.h"
#include "kernels/common/cpu/rows.h"

#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C, log;
};

template <class T>
void softmax_forward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  auto *exponentials = p.log ? nullptr : static_cast<float *>(thread_workspace(C * sizeof(float)));  // [C]

  for (size_t t = begin; t < end; ++t) {
    const T *x = static_cast<const T *>(buffers[0]) + t * C;  // [T,C]
    T *y = static_cast<T *>(buffers[1]) + t * C;              // [T,C]

    // Not -inf, so that a masked value in front of the first finite one gives exp(-inf) and no NaN.
    const auto lowest = hn::Set(d, std::numeric_limits<float>::lowest());
    auto maximum = lowest;
    for_row(d, C,
            [&](size_t c, auto part) HWY_ATTR { maximum = hn::Max(maximum, part.keep(part.load(x + c), lowest)); });
    const auto m = hn::Set(d, max_of(d, maximum));

    auto sum = hn::Zero(d);
    for_row(d, C, [&](size_t c, auto part) HWY_ATTR {
      const auto e = exp_or_zero(d, hn::Sub(part.load(x + c), m));
      sum = hn::Add(sum, part.keep(e));
      if (exponentials) part.store(e, exponentials + c);
    });
    const float s = sum_of(d, sum);

    if (exponentials) {
      const auto scale = hn::Set(d, 1.0f / s);
      for_row(d, C,
              [&](size_t c, auto part) HWY_ATTR { part.store(hn::Mul(part.load(exponentials + c), scale), y + c); });
    } else {
      const auto log_s = hn::Set(d, std::log(s));
      for_row(d, C,
              [&](size_t c, auto part) HWY_ATTR { part.store(hn::Sub(hn::Sub(part.load(x + c), m), log_s), y + c); });
    }
  }
}
KERNEL_TARGETS(softmax_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(softmax_forward)
#endif
