// cross-entropy/backward, cross-entropy/backward-in-place (cpu)
// Math      dlogits[t,v] = g * (exp(logits[t,v] - m - log s) - (1 - smoothing) [v = target[t]] - smoothing / V);
//           g = dy * scale; 0 for rows whose target is ignored or outside [0, V)
// Shapes    dy [T] or [1] f32 · logits, dlogits [T,V] · target [T] i32 · maximum (m), log_sum (log s) [T] f32 ·
//           scale [1] f32 or absent
// Method    one pass; the target's element is written last, from its logit read first (they may be the same memory)
// Launch    one cell per row and block of 4,096 columns
// Numerics  f32; expm1 at the target, where exp - 1 would cancel; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cross-entropy/backward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/exp.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>
#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, V, ignoreIndex;
  float smoothing;
  uint32_t perToken;
};

constexpr size_t kColumns = 4096;  // COLUMNS of kernels.ts

template <class T>
HWY_INLINE void cross_entropy_gradient(void *const *buffers, const Params &p, uint32_t begin, uint32_t end,
                                       T *dlogits) {
  const F32 d;
  const size_t V = p.V, blocks = (V + kColumns - 1) / kColumns;
  const auto *dy = static_cast<const float *>(buffers[0]);        // [T] or [1]
  const auto *logits = static_cast<const T *>(buffers[1]);        // [T,V]
  const auto *target = static_cast<const int32_t *>(buffers[2]);  // [T]
  const auto *maximum = static_cast<const float *>(buffers[3]);   // [T]
  const auto *log_sum = static_cast<const float *>(buffers[4]);   // [T]
  const auto *scale = static_cast<const float *>(buffers[5]);     // [1] or nullptr

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t t = cell / blocks, first = cell % blocks * kColumns, n = std::min(kColumns, V - first);
    const T *x = logits + t * V + first;
    T *dx = dlogits + t * V + first;
    const auto y = static_cast<uint32_t>(target[t]);
    if (y >= V || y == p.ignoreIndex) {
      std::fill_n(dx, n, T{});
      continue;
    }

    const float g = dy[p.perToken ? t : 0] * (scale ? *scale : 1.0f);
    const float uniform = p.smoothing / static_cast<float>(V);
    const bool here = y >= first && y - first < n;
    const float log_probability = here ? load1(x + (y - first)) - maximum[t] - log_sum[t] : 0;
    const float at_target = g * (std::expm1(log_probability) + p.smoothing - uniform);

    const auto vg = hn::Set(d, g), vu = hn::Set(d, uniform), m = hn::Set(d, maximum[t]), ls = hn::Set(d, log_sum[t]);
    for_row(d, n, [&](size_t v, auto part) HWY_ATTR {
      const auto probability = exp_or_zero(d, hn::Sub(hn::Sub(part.load(x + v), m), ls));
      part.store(hn::Mul(vg, hn::Sub(probability, vu)), dx + v);
    });
    if (here) store1(at_target, dx + (y - first));
  }
}

template <class T>
void cross_entropy_backward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  cross_entropy_gradient(buffers, p, begin, end, static_cast<T *>(buffers[6]));
}
KERNEL_TARGETS(cross_entropy_backward)

template <class T>
void cross_entropy_backward_in_place(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  cross_entropy_gradient(buffers, p, begin, end, static_cast<T *>(buffers[1]));
}
KERNEL_TARGETS(cross_entropy_backward_in_place)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(cross_entropy_backward)
KERNEL_REGISTER(cross_entropy_backward_in_place)
#endif
