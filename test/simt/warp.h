// What the lanes of a warp do together.
#pragma once
#include <cstring>

#include "block.h"

namespace simt {

// Comes to a collective of the lanes in `mask` with `bytes` bytes; when the last of them has come, `complete` fills in `out`
// of each. All lanes must come from one place in the sources with the same `what` and `detail`. Returns when it is complete;
// `result` are the lane's `result_bytes` bytes.
void collect(const char *what, unsigned int mask, uint64_t detail, const void *in, size_t bytes,
             void (*complete)(Collective &), void *result, size_t result_bytes, Site site);

constexpr unsigned int ALL_LANES = 0xffffffffu;

template <class T>
T given(const Collective &c, unsigned int lane) {
  T value;
  std::memcpy(&value, c.in[lane], sizeof value);
  return value;
}

template <class T>
void give(Collective &c, unsigned int lane, const T &value) {
  static_assert(sizeof(T) <= sizeof c.out[0]);
  std::memcpy(c.out[lane], &value, sizeof value);
}

}  // namespace simt
