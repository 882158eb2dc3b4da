// top-k/forward (cpu)
// Math      values[t,k] = x[t, indices[t,k]]: the K largest of a row, descending; ties in the order of their index; NaN
//           counts as largest, so that it does not go unseen
// Shapes    x [T,V] · values [T,K] · indices [T,K] i32 · scratch [T,blocks,K] of (value, index)
// Method    forward: the K best of each block of columns. Most vectors hold nothing above the K-th best so far and cost
//           one comparison; what is above goes into the sorted list by insertion. join: lists in order of blocks
// Tiling    blocks of 32,768 columns: each starts an empty list, and most insertions happen while a list is young
// Launch    forward: one cell per row and block; join: one cell per row
// Limits    K <= V. An insertion moves up to K entries: meant for K up to some hundred; a rising row inserts all values
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/top-k/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, V, K;
};

constexpr size_t kColumns = 32768;  // COLUMNS of kernels.ts

struct Entry {
  float value;
  uint32_t index;
};

HWY_INLINE bool above(float a, float b) { return a > b || (a != a && b == b); }

// The best entries seen so far, sorted. What comes later goes behind what is as large.
struct Best {
  Entry *entries;
  size_t room, count;

  HWY_INLINE bool full() const { return count == room; }
  HWY_INLINE float last() const { return entries[count - 1].value; }
  HWY_INLINE bool wants(float value) const { return !full() || above(value, last()); }
  HWY_INLINE void insert(Entry entry) {
    size_t at = full() ? count - 1 : count++;
    for (; at > 0 && above(entry.value, entries[at - 1].value); --at) entries[at] = entries[at - 1];
    entries[at] = entry;
  }
};

template <class T>
HWY_INLINE void search(const F32 d, const T *x, size_t n, uint32_t first_index, Best &best) {
  size_t i = 0;
  for (; !best.full(); ++i) best.insert({load1(x + i), first_index + static_cast<uint32_t>(i)});

  const size_t lanes = hn::Lanes(d);
  auto bar = hn::Set(d, best.last());
  // Not Gt: NaN, on either side, must be looked at.
  const auto below = [&](size_t at) HWY_ATTR { return hn::Le(load(d, x + at), bar); };
  const auto offer = [&](size_t at) HWY_ATTR {
    const float value = load1(x + at);
    if (best.wants(value)) best.insert({value, first_index + static_cast<uint32_t>(at)});
  };
  const auto offer_vector = [&](size_t at) HWY_ATTR {
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(d, hn::Not(below(at)), bytes);
    uint64_t bits;
    std::memcpy(&bits, bytes, 8);
    if (bits == 0) return;
    for (; bits; bits &= bits - 1) offer(at + hwy::Num0BitsBelowLS1Bit_Nonzero64(bits));
    bar = hn::Set(d, best.last());
  };
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto first = hn::And(below(i), below(i + lanes));
    const auto second = hn::And(below(i + 2 * lanes), below(i + 3 * lanes));
    if (hn::AllTrue(d, hn::And(first, second))) continue;
    for (size_t j = i; j < i + 4 * lanes; j += lanes) offer_vector(j);
  }
  for (; i + lanes <= n; i += lanes) offer_vector(i);
  for (; i < n; ++i) offer(i);
}

template <class T>
void top_k_forward(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t V = p.V, K = p.K, blocks = (V + kColumns - 1) / kColumns;
  const auto *x = static_cast<const T *>(buffers[0]);  // [T,V]

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t t = cell / blocks, first = cell % blocks * kColumns, n = std::min(kColumns, V - first);
    Best best{static_cast<Entry *>(scratch) + cell * K, std::min(K, n), 0};
    search(d, x + t * V + first, n, static_cast<uint32_t>(first), best);
  }
}
KERNEL_TARGETS(top_k_forward)

template <class T>
void top_k_forward_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t V = p.V, K = p.K, blocks = (V + kColumns - 1) / kColumns;
  auto *values = static_cast<T *>(buffers[1]);         // [T,K]
  auto *indices = static_cast<int32_t *>(buffers[2]);  // [T,K]
  auto *merged = static_cast<Entry *>(thread_workspace(K * sizeof(Entry)));

  for (size_t t = begin; t < end; ++t) {
    const auto *lists = static_cast<const Entry *>(scratch) + t * blocks * K;
    Best best{merged, K, 0};
    for (size_t block = 0; block < blocks; ++block) {
      const size_t count = std::min({K, kColumns, V - block * kColumns});
      const Entry *list = lists + block * K;
      for (size_t i = 0; i < count && best.wants(list[i].value); ++i) best.insert(list[i]);
    }
    for (size_t k = 0; k < K; ++k) {
      store1(merged[k].value, values + t * K + k);
      indices[t * K + k] = static_cast<int32_t>(merged[k].index);
    }
  }
}
KERNEL_TARGETS(top_k_forward_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(top_k_forward)
KERNEL_REGISTER(top_k_forward_join)
#endif
