// The second launch of top-k-routing/forward: over the blocks of tokens, in order, what each expert has before them; its
// counts and its sum. 32 experts by 32 shares of the blocks make a block of threads.
#pragma once
#include "../common/cuda/shuffle.cuh"
#include "blocks.cuh"

constexpr uint32_t SHARES = 32, RANK_THREADS = WARP * SHARES;

// Joins what the 32 shares of each expert have, in order: all of it, and what is in front of the caller's share.
template <class T>
struct Joined {
  T all, before;
};
template <class T>
__device__ inline Joined<T> join_shares(T value) {
  __shared__ T shares[SHARES][WARP];
  const uint32_t expert = threadIdx.x % WARP, share = threadIdx.x / WARP;
  __syncthreads();  // what an earlier call left has been read
  shares[share][expert] = value;
  __syncthreads();
  Joined<T> joined = {};
  for (uint32_t i = 0; i < SHARES; ++i) {
    if (i == share) joined.before = joined.all;
    joined.all += shares[i][expert];
  }
  return joined;
}

__device__ inline void rank_experts(int32_t *list, float *sums, uint32_t *scratch, const Params &p) {
  const Blocks blocks(scratch, p);
  const Lists lists = lists_of(list, p);
  const uint32_t e = blockIdx.x * WARP + threadIdx.x % WARP, share = threadIdx.x / WARP;
  const uint32_t E = e < p.E ? p.E : 0;  // threads without an expert only join

  const auto each = [&](uint32_t n, auto f) {
    const uint32_t part = (n + SHARES - 1) / SHARES, last = (share + 1) * part < n ? (share + 1) * part : n;
    if (E == 0) return;
#pragma unroll 4
    for (uint32_t i = share * part; i < last; ++i) f(size_t{i} * p.E + e);
  };
  uint32_t count = 0, firsts = 0;
  float sum = 0.0f;
  each(blocks.levels * blocks.count, [&](size_t i) { count += blocks.ranks[i]; });
  each(blocks.count, [&](size_t i) {
    firsts += blocks.firsts[i];
    sum += blocks.probabilities[i];
  });
  const auto ranks = join_shares(count);
  const auto first_choices = join_shares(firsts);
  const auto total = join_shares(sum);

  uint32_t rank = ranks.before;
  each(blocks.levels * blocks.count, [&](size_t i) {
    const uint32_t here = blocks.ranks[i];
    blocks.ranks[i] = rank;
    rank += here;
  });
  if (E == 0 || share != 0) return;
  blocks.totals[e] = ranks.all;
  lists.counts[e] = static_cast<int32_t>(p.countFirst ? first_choices.all : ranks.all);
  sums[e] = total.all;
}
