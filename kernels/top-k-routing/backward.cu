// top-k-routing/backward (cuda)
// Math      with p the probabilities of the choices kept, s = max(their sum, epsilon) where normalised, else 1:
//           dp[k] = scale (dweights[k] - [s > epsilon] sum_j p[j] dweights[j] / s) / s, back through softmax or sigmoid;
//           plus the gradient of the distribution from dsums[e] + dsums[E] E counts[e] / T², plus 2 dsums[E+1] z softmax / T
// Shapes    logits, dlogits [T,E] f32 · lists [L] i32 · sums, dsums [E+2] f32 · dweights [T,K] f32
// Tiling    a warp owns a token; its row of dlogits is put together in shared memory
// Launch    grid (T / warps of a block), cuda.ts
// Numerics  f32, in an order of E and K; scores are computed again from the logits
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/routing.cuh"
#include "scores.cuh"

struct Params {
  uint32_t T, E, K, L, Z, score, normalize;
  float epsilon, scale;
  uint32_t countFirst, hasDweights, hasDsums;
};

constexpr uint32_t THREADS = 256;

// dx[e] from the weights of a token's choices.
__device__ inline void from_weights(const ScoreRow &row, size_t first, const float *dweights, const RoutingLists &lists,
                                    float *dx, const Params &p) {
  const uint32_t lane = threadIdx.x % WARP;
  const auto expert = [&](uint32_t k) { return static_cast<uint32_t>(lists.experts[first + k]); };
  const auto kept = [&](uint32_t k) { return lists.position[first + k] >= 0; };
  const Softmax chosen = row.over_chosen(p.K, expert);
  const auto probability = [&](uint32_t k) { return row.probability(chosen, expert(k)); };

  float sum = 0.0f, inner = 0.0f;
  for (uint32_t k = lane; k < p.K; k += WARP) {
    if (!kept(k)) continue;
    sum += probability(k);
    inner += probability(k) * dweights[first + k];
  }
  sum = lane_sum<WARP>(sum);
  inner = lane_sum<WARP>(inner);
  const float divisor = p.normalize ? fmaxf(sum, p.epsilon) : 1.0f;
  // Where the divisor is epsilon it is constant.
  const float mean = p.normalize && sum > p.epsilon ? inner / sum : 0.0f;
  const auto gradient = [&](uint32_t k) { return kept(k) ? p.scale * (dweights[first + k] - mean) / divisor : 0.0f; };

  float of_softmax = 0.0f;
  for (uint32_t k = lane; k < p.K; k += WARP) of_softmax += probability(k) * gradient(k);
  of_softmax = lane_sum<WARP>(of_softmax);
  if (p.score == SOFTMAX)
    for (uint32_t e = lane; e < p.E; e += WARP) dx[e] -= row.softmax(row.x[e]) * of_softmax;
  __syncwarp();
  for (uint32_t k = lane; k < p.K; k += WARP) {
    const float of_choice = p.score == TOP_K_SOFTMAX ? gradient(k) - of_softmax : gradient(k);
    const float slope = p.score == SIGMOID ? 1.0f - probability(k) : 1.0f;
    const float d = probability(k) * slope * of_choice;
    dx[expert(k)] += d;
  }
  __syncwarp();
}

extern "C" __global__ void __launch_bounds__(THREADS)
    top_k_routing_backward_f32(const float *logits, const int32_t *list, const float *, const float *dweights,
                               const float *dsums, float *dlogits, const Params p) {
  DYNAMIC_SHARED(memory);
  const RoutingLists lists(list, p.E, size_t{p.T} * p.K);
  const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  auto *dmean = reinterpret_cast<float *>(memory);  // [E]
  float *x = dmean + (1 + 2 * warp) * p.E, *dx = x + p.E;
  const float T = static_cast<float>(p.T);
  for (uint32_t e = threadIdx.x; e < p.E; e += blockDim.x)
    dmean[e] = p.hasDsums
                   ? dsums[e] + dsums[p.E] * static_cast<float>(p.E) * (static_cast<float>(lists.counts[e]) / T) / T
                   : 0.0f;
  __syncthreads();
  const size_t t = size_t{blockIdx.x} * warps + warp;
  if (t >= p.T) return;

  const ScoreRow row(logits + t * p.E, p.E, p.score, x);
  for (uint32_t e = lane; e < p.E; e += WARP) dx[e] = 0.0f;
  __syncwarp();
  if (p.hasDweights) from_weights(row, t * p.K, dweights, lists, dx, p);
  float inner = 0.0f, z = 0.0f;
  if (p.hasDsums) {
    for (uint32_t e = lane; e < p.E; e += WARP) inner += row.distribution(e) * dmean[e];
    inner = lane_sum<WARP>(inner);
    z = 2.0f * dsums[p.E + 1] * row.softmax.log_sum() / T;
  }
  for (uint32_t e = lane; e < p.E; e += WARP) {
    float d = dx[e];
    if (p.hasDsums) {
      float slope = row.distribution(e);
      if (row.of_sigmoids()) slope *= 1.0f - sigmoid(row.x[e]);
      d += slope * (dmean[e] - inner) + z * row.softmax(row.x[e]);
    }
    dlogits[t * p.E + e] = d;
  }
}
