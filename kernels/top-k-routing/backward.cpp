// top-k-routing/backward (cpu)
// Math      with p the probabilities of the choices kept, s = max(their sum, epsilon) where normalised, else 1:
//           dp[k] = scale (dweights[k] - [s > epsilon] sum_j p[j] dweights[j] / s) / s, back through softmax or sigmoid;
//           plus the gradient of the distribution from dsums[e] + dsums[E] E counts[e] / T², plus 2 dsums[E+1] z softmax / T
// Shapes    logits, dlogits [T,E] · lists [L] · sums, dsums [E+2] · dweights [T,K]
// Launch    one cell per token
// Numerics  f32; scores are computed again from the logits
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/top-k-routing/backward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/gemm-plan.h"
#include "kernels/common/cpu/routing.h"
#include "kernels/top-k-routing/scores.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, E, K, L, Z, score, normalize;
  float epsilon, scale;
  uint32_t countFirst, hasDweights, hasDsums;
};

// Gradients of the chosen experts' probabilities, in place of `p`, from those of their weights.
HWY_INLINE void probability_gradient(const Params &p, const int32_t *position, const float *dweights,
                                     const float *probability, float *dp) {
  float sum = 0, inner = 0;
  for (size_t k = 0; k < p.K; ++k) {
    if (position[k] < 0) continue;
    sum += probability[k];
    inner += probability[k] * dweights[k];
  }
  const float divisor = p.normalize ? HWY_MAX(sum, p.epsilon) : 1;
  const float mean = p.normalize && sum > p.epsilon ? inner / sum : 0;
  for (size_t k = 0; k < p.K; ++k) dp[k] = position[k] < 0 ? 0 : p.scale * (dweights[k] - mean) / divisor;
}

void top_k_routing_backward_f32(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t E = p.E, K = p.K;
  const auto *logits = static_cast<const float *>(buffers[0]);  // [T,E]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[1]), E, size_t{p.T} * K);
  const auto *dweights = p.hasDweights ? static_cast<const float *>(buffers[3]) : nullptr;  // [T,K]
  const auto *dsums = p.hasDsums ? static_cast<const float *>(buffers[4]) : nullptr;        // [E+2]
  auto *dlogits = static_cast<float *>(buffers[5]);                                         // [T,E]
  const size_t row = round_up(E, 16);
  auto *x = static_cast<float *>(thread_workspace((4 * row + 2 * round_up(K, 16)) * sizeof(float)));
  float *softmax = x + row, *sigmoids = softmax + row, *dmean = sigmoids + row, *probability = dmean + row;
  float *dp = probability + round_up(K, 16);
  if (dsums)
    for (size_t e = 0; e < E; ++e)
      dmean[e] = dsums[e] + dsums[E] * static_cast<float>(E) * (static_cast<float>(lists.counts[e]) / p.T) / p.T;

  for (size_t t = begin; t < end; ++t) {
    float *dx = dlogits + t * E;
    clean_logits(logits + t * E, E, x);
    const float z = softmax_row(x, E, softmax);
    const float sigmoid_sum = p.score == kSigmoid ? sigmoid_row(x, E, sigmoids) : 1;
    std::fill_n(dx, E, 0.0f);
    if (dweights) {
      const int32_t *experts = lists.experts + t * K;
      chosen_probabilities(x, softmax, sigmoids, p.score, experts, K, probability);
      probability_gradient(p, lists.position + t * K, dweights + t * K, probability, dp);
      float inner = 0;
      if (p.score != kSigmoid)
        for (size_t k = 0; k < K; ++k) inner += probability[k] * dp[k];
      if (p.score == kSoftmax)
        for_row(d, E, [&](size_t e, auto part) HWY_ATTR {
          part.store(hn::Mul(part.load(softmax + e), hn::Set(d, -inner)), dx + e);
        });
      for (size_t k = 0; k < K; ++k) {
        const float slope = p.score == kSigmoid ? 1 - probability[k] : 1;
        dx[experts[k]] += probability[k] * slope * (p.score == kTopKSoftmax ? dp[k] - inner : dp[k]);
      }
    }
    if (dsums) {
      const Distribution distribution(p.score, softmax, sigmoids, sigmoid_sum);
      auto sum = hn::Zero(d);
      for_row(d, E, [&](size_t e, auto part) HWY_ATTR {
        sum = hn::MulAdd(part.load(distribution.values + e), part.load(dmean + e), sum);
      });
      const auto factor = hn::Set(d, distribution.factor), inner = hn::Mul(hn::Set(d, sum_of(d, sum)), factor);
      const auto dz = hn::Set(d, 2 * dsums[E + 1] * z / p.T);
      for_row(d, E, [&](size_t e, auto part) HWY_ATTR {
        auto v = part.load(distribution.values + e);
        if (distribution.sigmoid) v = hn::Mul(hn::Mul(v, hn::Sub(hn::Set(d, 1.0f), v)), factor);
        const auto of_mean = hn::MulAdd(v, hn::Sub(part.load(dmean + e), inner), part.load(dx + e));
        part.store(hn::MulAdd(dz, part.load(softmax + e), of_mean), dx + e);
      });
    }
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER_ONE(top_k_routing_backward_f32)
#endif
