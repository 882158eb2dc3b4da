// top-k-routing/scores (cpu): what forward and backward compute of the logits of one token
// Numerics  f32; a NaN or +infinity counts as zero, and so do all logits of a token where they are -infinity
#include "kernels/common/cpu/activation.h"
#include "kernels/common/cpu/exp.h"
#include "kernels/common/cpu/rows.h"

#if defined(CONSILIUM_ROUTING_SCORES_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ROUTING_SCORES_H
#undef CONSILIUM_ROUTING_SCORES_H
#else
#define CONSILIUM_ROUTING_SCORES_H
#endif

#include <algorithm>
#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// kernels/top-k-routing/codes.ts
enum Score : uint32_t { kSoftmax, kTopKSoftmax, kSigmoid };

HWY_INLINE bool is_fault(float logit) { return !(logit <= std::numeric_limits<float>::max()); }

struct Cleaned {
  bool fault;
  float most;  // the largest that is left
};

// x = the values with faults as zeros.
HWY_INLINE Cleaned clean_row(const float *values, size_t E, float *x) {
  const F32 d;
  const auto low = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto faults = hn::Zero(d), most = low;
  for_row(d, E, [&](size_t e, auto part) HWY_ATTR {
    const auto v = part.load(values + e);
    const auto sound = hn::Le(v, hn::Set(d, std::numeric_limits<float>::max()));
    const auto clean = hn::IfThenElseZero(sound, v);
    faults = hn::Or(faults, part.keep(hn::IfThenZeroElse(sound, hn::Set(d, 1.0f))));
    most = hn::Max(most, part.keep(clean, low));
    part.store(clean, x + e);
  });
  return {max_of(d, faults) > 0, max_of(d, most)};
}

// x = the logits of a token; true where there was a fault.
HWY_INLINE bool clean_logits(const float *logits, size_t E, float *x) {
  const Cleaned row = clean_row(logits, E, x);
  if (row.most > -std::numeric_limits<float>::infinity()) return row.fault;
  std::fill_n(x, E, 0.0f);
  return true;
}

// p = softmax(x), zeros where all are -infinity; log of the sum of exp(x). p may be x.
HWY_INLINE float softmax_row(const float *x, size_t n, float *p) {
  const F32 d;
  const auto low = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto most = low, sums = hn::Zero(d);
  for_row(d, n, [&](size_t e, auto part) HWY_ATTR { most = hn::Max(most, part.keep(part.load(x + e), low)); });
  const float top = HWY_MAX(max_of(d, most), std::numeric_limits<float>::lowest());
  for_row(d, n, [&](size_t e, auto part) HWY_ATTR {
    const auto power = exp_or_zero(d, hn::Sub(part.load(x + e), hn::Set(d, top)));
    sums = hn::Add(sums, part.keep(power));
    part.store(power, p + e);
  });
  const float sum = sum_of(d, sums);
  const auto factor = hn::Set(d, sum > 0 ? 1.0f / sum : 0.0f);
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

// What `sums` add up, times a factor: softmax, or sigmoids over their sum. Where all of those underflow, softmax is what
// they tend to.
struct Distribution {
  const float *values;
  float factor;
  bool sigmoid;

  Distribution(uint32_t score, const float *softmax, const float *sigmoids, float sigmoid_sum)
      : values(softmax), factor(1), sigmoid(score == kSigmoid && sigmoid_sum >= std::numeric_limits<float>::min()) {
    if (!sigmoid) return;
    values = sigmoids;
    factor = 1 / sigmoid_sum;
  }
};

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
