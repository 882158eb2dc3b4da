// For each of V keys the list of its positions, in rising order, without atomics: a stable counting sort by blocks that each
// own 256 keys. A block walks over all positions twice, each of its warps over a stretch of them: to count, then to place.
// Equal keys of a warp find each other by ballots. The launch: `makeLists` in lists.ts.
#pragma once
#include <cstdint>

#include "shuffle.cuh"

// Of a block; also in lists.ts.
constexpr uint32_t LIST_KEYS = 256, LIST_THREADS = 512;

// List v is entries[starts[v]] to entries[starts[v + 1]]; starts [V + 1], entries [positions], in the scratch memory.
struct Lists {
  uint32_t *starts, *entries;

  __device__ Lists(uint32_t *scratch, uint32_t V) : starts(scratch), entries(scratch + V + 1) {}
};

// The lanes whose key is that of the caller; keys up to LIST_KEYS.
__device__ inline uint32_t lanes_of_key(uint32_t key) {
  uint32_t lanes = ALL_LANES;
#pragma unroll
  for (uint32_t bit = 1; bit <= LIST_KEYS; bit *= 2) {
    const uint32_t set = __ballot_sync(ALL_LANES, (key & bit) != 0);
    lanes &= (key & bit) != 0 ? set : ~set;
  }
  return lanes;
}

// key_at(position) is V or more for positions that are in no list. The block's keys are those from blockIdx.x LIST_KEYS on.
template <class KeyAt>
__device__ inline void make_lists(const Lists &lists, uint32_t positions, uint32_t V, KeyAt key_at) {
  constexpr uint32_t WARPS = LIST_THREADS / WARP, NONE = LIST_KEYS;
  // Of each warp's stretch and key: how many there are, then where the next one goes. One more, for keys of other blocks.
  __shared__ uint32_t next[WARPS][LIST_KEYS + 1];
  // Of all stretches: entries up to a key. Of each: those of keys before the block's.
  __shared__ uint32_t ends[LIST_KEYS], before[WARPS];
  const uint32_t first = blockIdx.x * LIST_KEYS, warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const uint32_t stretch = (positions + WARPS - 1) / WARPS;
  const uint32_t begin = min(positions, warp * stretch), end = min(positions, begin + stretch);
  uint32_t earlier = 0;

  // Calls place(position, at) for each position of the warp's stretch whose key is the block's; `at` counts up from next.
  const auto walk = [&](auto place) {
    for (uint32_t step = begin; step < end; step += WARP) {
      const uint32_t position = step + lane, key = position < end ? key_at(position) : V;
      earlier += key < V && key < first ? 1 : 0;
      const uint32_t own = key < V && key >= first && key - first < LIST_KEYS ? key - first : NONE;
      if (!__any_sync(ALL_LANES, own != NONE)) continue;
      const uint32_t lanes = lanes_of_key(own), lower = lanes & ((1u << lane) - 1u);
      const uint32_t at = next[warp][own];
      __syncwarp();
      if (own != NONE) place(position, at + __popc(lower));
      if (lower == 0) next[warp][own] = at + __popc(lanes);
      __syncwarp();
    }
  };

  for (uint32_t key = lane; key <= LIST_KEYS; key += WARP) next[warp][key] = 0;
  __syncwarp();
  walk([](uint32_t, uint32_t) {});
  for (uint32_t mask = WARP / 2; mask > 0; mask /= 2) earlier += shuffle_xor(earlier, mask);
  if (lane == 0) before[warp] = earlier;
  __syncthreads();

  // Sums of the counts up to each key, by doubling; then where the entries of each warp go.
  const uint32_t key = threadIdx.x;
  uint32_t count = 0;
  if (key < LIST_KEYS) {
    for (uint32_t w = 0; w < WARPS; ++w) count += next[w][key];
    ends[key] = count;
  }
  __syncthreads();
  for (uint32_t distance = 1; distance < LIST_KEYS; distance *= 2) {
    const uint32_t more = key < LIST_KEYS && key >= distance ? ends[key - distance] : 0;
    __syncthreads();
    if (key < LIST_KEYS) ends[key] += more;
    __syncthreads();
  }
  if (key < LIST_KEYS) {
    uint32_t at = ends[key] - count;
    for (uint32_t w = 0; w < WARPS; ++w) at += before[w];
    if (key < V - first) lists.starts[first + key] = at;
    if (key + 1 == V - first) lists.starts[V] = at + count;
    for (uint32_t w = 0; w < WARPS; ++w) {
      const uint32_t of_warp = next[w][key];
      next[w][key] = at;
      at += of_warp;
    }
  }
  __syncthreads();
  walk([&](uint32_t position, uint32_t at) { lists.entries[at] = position; });
}
