// top-k-routing/forward (cuda)
// Math      experts[t,0..K) = the K largest scores of token t, ties to the lowest; weights = their probabilities over
//           max(their sum, epsilon) where normalised, times scale, 0 where dropped; sums[e] = sum over t of p[t,e], then
//           E sum_e counts[e] sums[e] / T², then the mean of (log sum_e exp logit)²
// Shapes    logits, noise [T,E] f32 · bias [E] f32 · used [T] i32 · random [4] u32 · weights [T,K] f32 · lists [L] i32 ·
//           sums [Z] f32 · scratch: blocks.cuh
// Method    choose.cuh  experts and probabilities of each token; what a block of tokens adds to counts and sums
//           rank.cuh    over blocks, in order: the rank of a block's first choice of each expert; totals
//           place.cuh   offsets, order and position, and the weights; by lot: the queue of each expert
//           draw.cuh    by lot: which of its queue an expert keeps; weigh: and then the weights
// Tiling    choose: a warp owns a token; place: a thread a choice; draw: a block an expert
// Launch    cuda.ts. Nothing waits for the host: grids are by T and E
// Numerics  f32; sums in an order of the shape; integer atomics count in shared memory, so that every result is the same
//           each time. What is NaN or +infinity is a fault and counts as zero: scores.cuh
// Limits    E so that the scores of a token fit into shared memory: some thousands
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t T, E, K, L, Z, score, normalize;
  float epsilon, scale;
  uint32_t countFirst, noiseKind, priority, capacity, groups, topGroups, hasBias, hasNoise, hasUsed, sequence,
      faultLabel;
};

#include "draw.cuh"
#include "place.cuh"
#include "rank.cuh"

// Also in cuda.ts.
constexpr uint32_t CHOOSE_THREADS = 256, PLACE_THREADS = 256, WEIGH_THREADS = 128;

#define BUFFERS                                                                                            \
  const float *logits, const float *bias, const float *noise, const int32_t *used, const uint32_t *random, \
      float *weights, int32_t *lists, float *sums, uint32_t *faults, uint32_t *scratch, const Params p

extern "C" __global__ void __launch_bounds__(CHOOSE_THREADS) top_k_routing_forward_choose_f32(BUFFERS) {
  DYNAMIC_SHARED(memory);
  choose_block({logits, bias, noise, used, random}, weights, lists, faults, scratch,
               reinterpret_cast<uint32_t *>(memory), p);
}

extern "C" __global__ void __launch_bounds__(RANK_THREADS) top_k_routing_forward_rank_f32(BUFFERS) {
  rank_experts(lists, sums, scratch, p);
}

extern "C" __global__ void __launch_bounds__(PLACE_THREADS) top_k_routing_forward_place_f32(BUFFERS) {
  DYNAMIC_SHARED(memory);
  place_block({logits, bias, noise, used, random}, weights, lists, sums, scratch, reinterpret_cast<uint32_t *>(memory),
              p);
}

extern "C" __global__ void __launch_bounds__(DRAW_THREADS) top_k_routing_forward_draw_f32(BUFFERS) {
  draw_expert(lists, scratch, p);
}

extern "C" __global__ void __launch_bounds__(WEIGH_THREADS) top_k_routing_forward_weigh_f32(BUFFERS) {
  const uint32_t t = blockIdx.x * WEIGH_THREADS + threadIdx.x;
  if (t < p.T) normalise(t, weights, lists_of(lists, p).position, p);
}
