// The routing record of a mixture of experts: kernels/top-k-routing/lists.ts, by the same places.
#pragma once
#include <cstddef>
#include <cstdint>

template <class Int>
struct RoutingListsOf {
  Int *offsets;   // [E+1]
  Int *counts;    // [E]
  Int *order;     // [R]
  Int *position;  // [R]
  Int *experts;   // [R]

  __device__ RoutingListsOf(Int *lists, uint32_t E, size_t R)
      : offsets(lists), counts(lists + E + 1), order(counts + E), position(order + R), experts(position + R) {}
};
using RoutingLists = RoutingListsOf<const int32_t>;
