// The largest entries of a row. An entry is a value's order key and its index in one word, the index inverted: of two
// entries the larger word comes first, which is that of the larger value, and of the lower index where values are equal.
#pragma once
#include "reduce.cuh"

using Entry = uint64_t;

constexpr Entry FIRST = ~Entry{0};  // in front of every entry
constexpr Entry NOTHING = 0;        // behind every entry

// Orders as x does. Zeros of both signs are equal; NaN is above infinity, so that it does not go unseen.
__device__ inline uint32_t order_key(float x) {
  const uint32_t bits = __float_as_uint(x), size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return 0xfffffffeu;
  return size == bits || size == 0 ? size | 0x80000000u : ~bits;
}

__device__ inline Entry entry_of(uint32_t key, uint32_t index) { return Entry{key} << 32 | (0xffffffffu - index); }
__device__ inline Entry entry_of(float x, uint32_t index) { return entry_of(order_key(x), index); }
__device__ inline uint32_t index_of(Entry entry) { return 0xffffffffu - static_cast<uint32_t>(entry); }

__device__ inline Entry warp_foremost(Entry entry) { return lane_join<WARP>(entry, Maximum()); }
