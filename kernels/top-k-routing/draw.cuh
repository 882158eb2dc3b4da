// With PRIORITIES.random, a block for each expert: which of its choices it keeps, those with the largest lots. Of equal lots
// the first stay. The lot of the last one kept is found eight bits at a time; then rows are given out in the order of choices.
#pragma once
#include "../common/cuda/reduce.cuh"
#include "blocks.cuh"

// Also in cuda.ts.
constexpr uint32_t DRAW_THREADS = 256, BINS = 256;

// The least key that is kept, and how many of those that are equal are.
struct Bar {
  uint32_t key, ties;
};

__device__ inline Bar find_bar(const uint32_t *lots, uint32_t n, uint32_t capacity) {
  __shared__ uint32_t bins[BINS];
  __shared__ Bar found;
  Bar bar = {0, capacity};
  for (uint32_t shift = 32; shift > 0;) {
    shift -= 8;
    bins[threadIdx.x] = 0;
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < n; i += DRAW_THREADS)
      if (shift == 24 || lots[i] >> (shift + 8) == bar.key) atomicAdd(&bins[lots[i] >> shift & 255u], 1u);
    __syncthreads();
    uint32_t above = 0;
    for (uint32_t bin = threadIdx.x + 1; bin < BINS; ++bin) above += bins[bin];
    if (above < bar.ties && bar.ties <= above + bins[threadIdx.x])
      found = {bar.key << 8 | threadIdx.x, bar.ties - above};
    __syncthreads();
    bar = found;
  }
  return bar;
}

__device__ inline void draw_expert(int32_t *list, uint32_t *scratch, const Params &p) {
  __shared__ uint32_t above[DRAW_THREADS / WARP], equal[DRAW_THREADS / WARP];
  const Blocks blocks(scratch, p);
  const Lists lists = lists_of(list, p);
  const uint32_t e = blockIdx.x, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  uint32_t before = 0;
  for (uint32_t i = threadIdx.x; i < e; i += DRAW_THREADS) before += blocks.totals[i];
  const uint32_t first = block_join(before, Sum()), n = blocks.totals[e];
  const uint32_t *queue = blocks.queue + first, *lots = blocks.lots + first;
  const auto offset = static_cast<uint32_t>(lists.offsets[e]);

  // A capacity of all keeps every key, 0 too.
  const Bar bar = p.capacity == 0 ? Bar{0xffffffffu, 0} : n > p.capacity ? find_bar(lots, n, p.capacity) : Bar{0, n};
  uint32_t above_so_far = 0, equal_so_far = 0;
  for (uint32_t start = 0; start < n; start += DRAW_THREADS) {
    const uint32_t i = start + threadIdx.x;
    const bool is_above = i < n && lots[i] > bar.key, is_equal = i < n && lots[i] == bar.key;
    const uint32_t above_here = __ballot_sync(ALL_LANES, is_above), equal_here = __ballot_sync(ALL_LANES, is_equal);
    __syncthreads();  // the counts of the round before have been read
    if (lane == 0) {
      above[warp] = __popc(above_here);
      equal[warp] = __popc(equal_here);
    }
    __syncthreads();
    const uint32_t lower = (1u << lane) - 1;
    uint32_t above_before = above_so_far + __popc(above_here & lower);
    uint32_t equal_before = equal_so_far + __popc(equal_here & lower);
    for (uint32_t w = 0; w < DRAW_THREADS / WARP; ++w) {
      if (w < warp) {
        above_before += above[w];
        equal_before += equal[w];
      }
      above_so_far += above[w];
      equal_so_far += equal[w];
    }
    if (i >= n) continue;
    const bool kept = is_above || (is_equal && equal_before < bar.ties);
    const uint32_t row = offset + above_before + (equal_before < bar.ties ? equal_before : bar.ties);
    lists.position[queue[i]] = kept ? static_cast<int32_t>(row) : -1;
    if (kept) lists.order[row] = static_cast<int32_t>(queue[i]);
  }
}
