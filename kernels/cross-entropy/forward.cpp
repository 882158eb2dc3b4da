// cross-entropy/forward (cpu)
// Math      loss[t] = (1 - smoothing) * (log s + m - logits[t,target]) + smoothing * mean_v(log s + m - logits[t,v]);
//           m = max_v logits[t,v], s = Σ_v exp(logits[t,v] - m)
// Shapes    logits [T,V] · target [T] i32 · loss, maximum (m), log_sum (log s) [T] f32 · scratch [T,blocks,3] f32
// Method    forward: of each block of columns the maximum m, Σ exp(x - m) and, with smoothing, Σ (x - m);
//           join: blocks in order, rescaled to the row's maximum
// Tiling    blocks of 4,096 columns stay in L1 between the maximum and the sum: memory is read once
// Launch    forward: one cell per row and block; join: one cell per row
// Numerics  f32; log s and m are never added up: a large m would swallow log s
// Limits    rows with an ignored target, or one outside [0, V) (a fault), are not read: their results are 0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cross-entropy/forward.cpp"
#include "hwy/foreach_target.h"
#include "hwy/cache_control.h"
#include "kernels/common/cpu/exp.h"
#include "kernels/common/cpu/fault.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, V, ignoreIndex;
  float smoothing;
  uint32_t faultLabel;
};

constexpr size_t kColumns = 4096;  // COLUMNS of kernels.ts

struct Partial {
  float maximum, sum, shifted;
};

HWY_INLINE bool counts(const Params &p, int32_t target) {
  return target != static_cast<int32_t>(p.ignoreIndex) && static_cast<uint32_t>(target) < p.V;
}

template <class T>
void cross_entropy_forward(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t V = p.V, blocks = (V + kColumns - 1) / kColumns;
  const auto *target = static_cast<const int32_t *>(buffers[1]);  // [T]
  auto *partials = static_cast<Partial *>(scratch);               // [T,blocks]

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t t = cell / blocks, first = cell % blocks * kColumns, n = std::min(kColumns, V - first);
    if (!counts(p, target[t])) continue;
    const T *x = static_cast<const T *>(buffers[0]) + t * V + first;  // [T,V]

    const auto lowest = hn::Set(d, std::numeric_limits<float>::lowest());
    auto maximum = lowest;
    for_row(d, n,
            [&](size_t v, auto part) HWY_ATTR { maximum = hn::Max(maximum, part.keep(part.load(x + v), lowest)); });
    const auto m = hn::Set(d, max_of(d, maximum));

    auto sum = hn::Zero(d), shifted = hn::Zero(d);
    for_row(d, n, [&](size_t v, auto part) HWY_ATTR {
      hwy::Prefetch(x + n + v);  // the next block, while this one computes
      const auto below = hn::Sub(part.load(x + v), m);
      sum = hn::Add(sum, part.keep(exp_or_zero(d, below)));
      if (p.smoothing > 0) shifted = hn::Add(shifted, part.keep(below));
    });
    partials[cell] = {hn::GetLane(m), sum_of(d, sum), sum_of(d, shifted)};
  }
}
KERNEL_TARGETS(cross_entropy_forward)

template <class T>
void cross_entropy_forward_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t V = p.V, blocks = (V + kColumns - 1) / kColumns;
  const auto *target = static_cast<const int32_t *>(buffers[1]);  // [T]
  auto *loss = static_cast<float *>(buffers[2]);                  // [T]
  auto *maximum = static_cast<float *>(buffers[3]);               // [T]
  auto *log_sum = static_cast<float *>(buffers[4]);               // [T]

  for (size_t t = begin; t < end; ++t) {
    loss[t] = maximum[t] = log_sum[t] = 0;
    if (!counts(p, target[t])) {
      if (target[t] != static_cast<int32_t>(p.ignoreIndex))
        report_bad_index(buffers[5], p.faultLabel, static_cast<uint32_t>(t), target[t]);
      continue;
    }
    const auto *partial = static_cast<const Partial *>(scratch) + t * blocks;

    float m = partial[0].maximum;
    for (size_t b = 1; b < blocks; ++b) m = std::max(m, partial[b].maximum);
    float sum = 0, shifted = 0;
    for (size_t b = 0; b < blocks; ++b) {
      const float below = partial[b].maximum - m;
      sum += partial[b].sum * std::exp(below);
      shifted += partial[b].shifted + below * static_cast<float>(std::min(kColumns, V - b * kColumns));
    }

    maximum[t] = m;
    log_sum[t] = std::log(sum);
    const float x = load1(static_cast<const T *>(buffers[0]) + t * V + target[t]);  // [T,V]
    loss[t] = log_sum[t] + (m - x);
    if (p.smoothing > 0)
      loss[t] = (1 - p.smoothing) * loss[t] + p.smoothing * (log_sum[t] - shifted / static_cast<float>(V));
  }
}
KERNEL_TARGETS(cross_entropy_forward_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(cross_entropy_forward)
KERNEL_REGISTER(cross_entropy_forward_join)
#endif
