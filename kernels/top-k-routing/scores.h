// top-k-routing/scores (cpu): what forward and backward compute of the logits of one token
// Numerics  f32; a NaN or +infinity counts as zero
#include "kernels/common/cpu/activation.h"
#include "kernels/common/cpu/exp.h"
#include "kernels/common/cpu/rows.h"

#if defined(CONSILIUM_ROUTING_SCORES_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ROUTING_SCORES_H
#undef CONSILIUM_ROUTING_SCORES_H
#else
#define CONSILIUM_ROUTING_SCORES_H
#endif

#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// kernels/top-k-routing/codes.ts
enum Score : uint32_t { kSoftmax, kTopKSoftmax, kSigmoid };

HWY_INLINE bool is_fault(float logit) { return !(logit <= std::numeric_limits<float>::max()); }

// x = the logits with faults as zeros; true where there was one.
HWY_INLINE bool clean_logits(const float *logits, size_t E, float *x) {
  const F32 d;
  auto faults = hn::Zero(d);
  for_row(d, E, [&](size_t e, auto part) HWY_ATTR {
    const auto v = part.load(logits + e);
    const auto sound = hn::Le(v, hn::Set(d, std::numeric_limits<float>::max()));
    faults = hn::Or(faults, part.keep(hn::IfThenZeroElse(sound, hn::Set(d, 1.0f))));
    part.store(hn::IfThenElseZero(sound, v), x + e);
  });
  return max_of(d, faults) > 0;
}

// p = softmax(x); log of the sum of exp(x). p may be x.
HWY_INLINE float softmax_row(const float *x, size_t n, float *p) {
  const F32 d;
  const auto low = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto most = low, sums = hn::Zero(d);
  for_row(d, n, [&](size_t e, auto part) HWY_ATTR { most = hn::Max(most, part.keep(part.load(x + e), low)); });
  const float top = max_of(d, most);
  for_row(d, n, [&](size_t e, auto part) HWY_ATTR {
    const auto power = exp_or_zero(d, hn::Sub(part.load(x + e), hn::Set(d, top)));
    sums = hn::Add(sums, part.keep(power));
    part.store(power, p + e);
  });
  const float sum = sum_of(d, sums);
  const auto factor = hn::Set(d, 1.0f / sum);
  for_row(d, n, [&](size_t e, auto part) HWY_ATTR { part.store(hn::Mul(part.load(p + e), factor), p + e); });
  return top + std::log(sum);
}

// p = sigmoid(x); their sum.
HWY_INLINE float sigmoid_row(const float *x, size_t n, float *p) {
  const F32 d;
  auto sums = hn::Zero(d);
  for_row(d, n, [&](size_t e, auto part) HWY_ATTR {
    const auto v = sigmoid(d, part.load(x + e));
    sums = hn::Add(sums, part.keep(v));
    part.store(v, p + e);
  });
  return sum_of(d, sums);
}

// The probabilities of the K experts chosen, from all logits and softmax or sigmoid of them.
HWY_INLINE void chosen_probabilities(const float *x, const float *softmax, const float *sigmoids, uint32_t score,
                                     const int32_t *experts, size_t K, float *p) {
  const float *from = score == kTopKSoftmax ? x : score == kSoftmax ? softmax : sigmoids;
  for (size_t k = 0; k < K; ++k) p[k] = from[experts[k]];
  if (score == kTopKSoftmax) softmax_row(p, K, p);
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
