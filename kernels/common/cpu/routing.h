// The routing record of a mixture of experts: kernels/top-k-routing/lists.ts, by the same places.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace consilium {

template <class Int>
struct RoutingListsOf {
  Int *offsets;   // [E+1]
  Int *counts;    // [E]
  Int *order;     // [R]
  Int *position;  // [R]
  Int *experts;   // [R]

  RoutingListsOf(Int *lists, size_t E, size_t R)
      : offsets(lists), counts(lists + E + 1), order(counts + E), position(order + R), experts(position + R) {}
};
using RoutingLists = RoutingListsOf<const int32_t>;

// Rows [begin, end) of expert e of E; those of expert E are the rows that no choice was kept for. Within R and in order
// whatever the list holds.
struct ExpertRows {
  size_t begin, end;

  ExpertRows(const int32_t *offsets, size_t E, size_t R, size_t e) {
    const auto at = [&](size_t i) { return std::min<size_t>(R, offsets[i] < 0 ? 0 : static_cast<size_t>(offsets[i])); };
    begin = at(e);
    end = e < E ? std::max(begin, at(e + 1)) : R;
  }
  // Those of the one matrix there is.
  explicit ExpertRows(size_t R) : begin(0), end(R) {}
  size_t count() const { return end - begin; }
};

}  // namespace consilium
