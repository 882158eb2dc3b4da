// What forward and backward compute of the logits of one token. A warp works on a token: lane l has the experts l, l + 32 ...;
// E values of its own lie in shared memory.
// Numerics  f32; a NaN or +infinity counts as zero, and so do all logits of a token where they are -infinity
#pragma once
#include "../common/cuda/activation.cuh"
#include "../common/cuda/exp.cuh"
#include "../common/cuda/reduce.cuh"

// kernels/top-k-routing/codes.ts
enum Score : uint32_t { SOFTMAX, TOP_K_SOFTMAX, SIGMOID };

constexpr float LEAST_NORMAL = 1.17549435e-38f;

__device__ inline bool is_fault(float x) { return !(x <= 3.402823466e38f); }
__device__ inline float clean(float x) { return is_fault(x) ? 0.0f : x; }

// Softmax over n values of which `top` is the largest, LOWEST at least.
struct Softmax {
  float top, powers;  // powers = sum of exp(x - top)

  __device__ float operator()(float x) const { return powers > 0.0f ? exp_or_zero(x - top) / powers : 0.0f; }
  __device__ float log_sum() const { return top + logf(powers); }
};

// Of the values x(0) ... x(n - 1), with all lanes of a warp.
template <class X>
__device__ inline Softmax softmax_over(uint32_t n, X x) {
  const uint32_t lane = threadIdx.x % WARP;
  float top = LOWEST, powers = 0.0f;
  for (uint32_t i = lane; i < n; i += WARP) top = fmaxf(top, x(i));
  top = lane_max<WARP>(top);
  for (uint32_t i = lane; i < n; i += WARP) powers += exp_or_zero(x(i) - top);
  return {top, lane_sum<WARP>(powers)};
}

// The logits of a token as they count.
struct ScoreRow {
  const float *x;  // [E] in shared memory
  uint32_t score;
  Softmax softmax;
  float sigmoids;  // sum of sigmoid(x), where it is the score
  bool blank;      // all logits were -infinity: a fault

  // Cleans `logits` into `to`, both [E].
  __device__ ScoreRow(const float *logits, uint32_t E, uint32_t of_score, float *to)
      : x(to), score(of_score), sigmoids(0) {
    const uint32_t lane = threadIdx.x % WARP;
    bool has_value = false;
    for (uint32_t e = lane; e < E; e += WARP) {
      to[e] = clean(logits[e]);
      has_value |= to[e] >= LOWEST;
    }
    blank = !__any_sync(ALL_LANES, has_value);
    if (blank)
      for (uint32_t e = lane; e < E; e += WARP) to[e] = 0.0f;
    __syncwarp();
    softmax = softmax_over(E, [&](uint32_t e) { return to[e]; });
    if (score != SIGMOID) return;
    for (uint32_t e = lane; e < E; e += WARP) sigmoids += sigmoid(to[e]);
    sigmoids = lane_sum<WARP>(sigmoids);
  }

  // By which experts are chosen, before bias and noise.
  __device__ float choice(uint32_t e) const { return score == SIGMOID ? sigmoid(x[e]) : x[e]; }

  // Whether sums adds up sigmoids over their sum. Where all of those underflow, softmax is what they tend to.
  __device__ bool of_sigmoids() const { return score == SIGMOID && sigmoids >= LEAST_NORMAL; }
  // What sums adds up: a distribution over all experts.
  __device__ float distribution(uint32_t e) const { return of_sigmoids() ? sigmoid(x[e]) / sigmoids : softmax(x[e]); }

  // Softmax by which the chosen experts' probabilities go: over all, or over the chosen, expert(0) ... expert(K - 1).
  template <class Expert>
  __device__ Softmax over_chosen(uint32_t K, Expert expert) const {
    return score == TOP_K_SOFTMAX ? softmax_over(K, [&](uint32_t k) { return x[expert(k)]; }) : softmax;
  }
  // p of a chosen expert.
  __device__ float probability(const Softmax &chosen, uint32_t e) const {
    return score == SIGMOID ? sigmoid(x[e]) : chosen(x[e]);
  }
};
