// The third launch of top-k-routing/forward: offsets, and the grouped row of each choice of a block of tokens. Its rank in an
// expert's rows is that of the block's first plus the tokens in front of it that chose the expert: bits of a mask.
#pragma once
#include "../common/cuda/order.cuh"
#include "choose.cuh"

// A block's copy, in shared memory: words of `placeBytes` in cuda.ts.
struct Places {
  uint32_t *offsets;  // [E+1]
  uint32_t *queues;   // [E] first places in the queue
  uint32_t *masks;    // [E,2] tokens of the block that chose the expert

  __device__ Places(uint32_t *memory, const Params &p)
      : offsets(memory), queues(offsets + p.E + 1), masks(queues + p.E) {}
};

// offsets[e] = sum over the experts before e of min(total, capacity), queues[e] of total. With one warp.
__device__ inline void sum_offsets(const Places &places, const Blocks &blocks, const Params &p) {
  const uint32_t lane = threadIdx.x % WARP;
  uint32_t rows = 0, choices = 0;
  for (uint32_t first = 0; first < p.E; first += WARP) {
    const uint32_t e = first + lane, total = e < p.E ? blocks.totals[e] : 0;
    const uint32_t own = total < p.capacity ? total : p.capacity;
    uint32_t kept = own, all = total;
    for (uint32_t step = 1; step < WARP; step *= 2) {
      const uint32_t kept_before = __shfl_up_sync(ALL_LANES, kept, step), before = __shfl_up_sync(ALL_LANES, all, step);
      if (lane >= step) {
        kept += kept_before;
        all += before;
      }
    }
    if (e < p.E) {
      places.offsets[e] = rows + kept - own;
      places.queues[e] = choices + all - total;
    }
    rows += __shfl_sync(ALL_LANES, kept, WARP - 1);
    choices += __shfl_sync(ALL_LANES, all, WARP - 1);
  }
  if (lane == 0) places.offsets[p.E] = rows;
}

// Weights of a token from its probabilities: those of kept choices.
__device__ inline void normalise(uint32_t t, float *weights, const int32_t *position, const Params &p) {
  const size_t first = size_t{t} * p.K;
  float sum = 0.0f;
  for (size_t choice = first; choice < first + p.K; ++choice) sum += position[choice] < 0 ? 0.0f : weights[choice];
  const float divisor = p.normalize ? fmaxf(sum, p.epsilon) : 1.0f;
  for (size_t choice = first; choice < first + p.K; ++choice)
    weights[choice] = p.scale * (position[choice] < 0 ? 0.0f : weights[choice]) / divisor;
}

// What belongs to no block of tokens.
__device__ inline void report(const Places &places, const Lists &lists, const Blocks &blocks, float *sums,
                              const Params &p) {
  const float T = static_cast<float>(p.T > 0 ? p.T : 1);
  float balance = 0.0f, z = 0.0f;
  for (uint32_t e = threadIdx.x; e <= p.E; e += blockDim.x) {
    lists.offsets[e] = static_cast<int32_t>(places.offsets[e]);
    if (e < p.E) balance += static_cast<float>(lists.counts[e]) / T * (sums[e] / T);
  }
  for (uint32_t block = threadIdx.x; block < blocks.count; block += blockDim.x) z += blocks.z[block];
  balance = block_join(balance, Sum());
  z = block_join(z, Sum());
  if (threadIdx.x != 0) return;
  sums[p.E] = static_cast<float>(p.E) * balance;
  sums[p.E + 1] = z / T;
}

__device__ inline float lot_of(const ChoiceInputs &in, uint32_t t, uint32_t e, const Params &p) {
  if (p.hasNoise && p.noiseKind == NO_NOISE) return clean(in.noise[size_t{t} * p.E + e]);
  return uniform_of((p.T + t) * p.E + e, in.random, p);
}

__device__ inline void place_block(const ChoiceInputs &in, float *weights, int32_t *list, float *sums,
                                   uint32_t *scratch, uint32_t *memory, const Params &p) {
  const Blocks blocks(scratch, p);
  const Lists lists = lists_of(list, p);
  const Places places(memory, p);
  const uint32_t block = blockIdx.x, first = block * block_tokens(p);
  const uint32_t tokens = first >= p.T ? 0 : first + block_tokens(p) < p.T ? block_tokens(p) : p.T - first;
  const size_t start = size_t{first} * p.K;

  if (threadIdx.x < WARP) sum_offsets(places, blocks, p);
  for (uint32_t level = 0; level < blocks.levels; ++level) {
    // Choices of this level: of each token one, or all.
    const uint32_t each = blocks.levels > 1 ? 1 : p.K;
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < 2 * p.E; i += blockDim.x) places.masks[i] = 0;
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < tokens * each; i += blockDim.x) {
      const uint32_t token = i / each;
      const auto e = static_cast<uint32_t>(lists.experts[start + token * p.K + level + i % each]);
      if (!p.hasUsed || in.used[first + token] != 0) atomicAdd(&places.masks[2 * e + token / 32], 1u << token % 32);
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < tokens * each; i += blockDim.x) {
      const uint32_t token = i / each, t = first + token;
      const size_t choice = start + token * p.K + level + i % each;
      if (p.hasUsed && in.used[t] == 0) {
        lists.position[choice] = -1;
        continue;
      }
      const auto e = static_cast<uint32_t>(lists.experts[choice]);
      uint32_t rank = blocks.ranks_of(level, block)[e];
      rank += __popc(places.masks[2 * e + token / 32] & ((1u << token % 32) - 1));
      if (token >= 32) rank += __popc(places.masks[2 * e]);
      if (p.priority == BY_LOT) {
        blocks.queue[places.queues[e] + rank] = static_cast<uint32_t>(choice);
        blocks.lots[places.queues[e] + rank] = order_key(lot_of(in, t, e, p));
        continue;
      }
      const uint32_t row = places.offsets[e] + rank;
      const bool kept = rank < p.capacity;
      lists.position[choice] = kept ? static_cast<int32_t>(row) : -1;
      if (kept) lists.order[row] = static_cast<int32_t>(choice);
    }
  }
  __syncthreads();

  for (uint32_t i = threadIdx.x; i < tokens * p.K; i += blockDim.x)
    if (start + i >= places.offsets[p.E]) lists.order[start + i] = -1;
  if (p.priority != BY_LOT)
    for (uint32_t i = threadIdx.x; i < tokens; i += blockDim.x) normalise(first + i, weights, lists.position, p);
  if (block == 0) report(places, lists, blocks, sums, p);
}
