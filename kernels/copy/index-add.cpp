// copy/index-add (cpu)
// Math      y[o,v,:] = base[o,v,:] + Σ_{k: index[k] = v} x[o,k,:]; a fault where index[k] is outside [0, V)
// Shapes    x [O,K,I] · index [K] i32 · base, y [O,V,I], base optional (0)
// Method    1. counting sort of the index: for each v its k, in order   2. each row of y adds its rows of x
// Launch    1: one cell · 2: one cell per row of y
// Numerics  sums in float64 in the order of k; rounds once
// Limits    scratch: V + 1 list ends and K entries, u32
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/copy/index-add.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/fault.h"
#include "kernels/common/cpu/simd.h"

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t O, V, K, I, hasBase, faultLabel;
};

// Columns of a row summed together.
constexpr size_t block = 256;

// y[c] = base[c] + Σ x[list[i] I + c] for `count` columns.
template <class T>
void add_rows(const T *base, const T *x, const uint32_t *list, size_t entries, size_t I, T *y, size_t count) {
  double sum[block];
  for (size_t c = 0; c < count; ++c) sum[c] = base != nullptr ? load1(base + c) : 0.0;
  for (size_t e = 0; e < entries; ++e) {
    const T *row = x + list[e] * I;
    for (size_t c = 0; c < count; ++c) sum[c] += load1(row + c);
  }
  for (size_t c = 0; c < count; ++c) store1(static_cast<float>(sum[c]), y + c);
}

template <class T>
void copy_index_add(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t V = p.V, I = p.I;
  const auto *x = static_cast<const T *>(buffers[0]);                           // [O,K,I]
  const auto *base = p.hasBase ? static_cast<const T *>(buffers[2]) : nullptr;  // [O,V,I]
  auto *y = static_cast<T *>(buffers[3]);                                       // [O,V,I]
  const auto *ends = static_cast<const uint32_t *>(scratch);
  const uint32_t *lists = ends + V + 1;

  for (size_t row = begin; row < end; ++row) {
    const size_t o = row / V, v = row % V;
    const size_t first = ends[v], entries = ends[v + 1] - first;
    T *out = y + row * I;
    const T *from = base != nullptr ? base + row * I : nullptr;
    if (entries == 0) {
      if (from == nullptr)
        std::memset(out, 0, I * sizeof(T));
      else if (from != out)
        std::memcpy(out, from, I * sizeof(T));
      continue;
    }
    for (size_t c = 0; c < I; c += block)
      add_rows(from != nullptr ? from + c : nullptr, x + o * p.K * I + c, lists + first, entries, I, out + c,
               std::min(block, I - c));
  }
}
KERNEL_TARGETS(copy_index_add)

// Entries of list v are lists[ends[v]] to lists[ends[v + 1]].
template <class T>
void copy_index_add_sort(KERNEL_ARGS) {
  if (begin >= end) return;
  const auto &p = *static_cast<const Params *>(params);
  const auto *index = static_cast<const uint32_t *>(buffers[1]);  // [K], a negative one is a large one
  auto *ends = static_cast<uint32_t *>(scratch);
  uint32_t *lists = ends + p.V + 1;
  std::fill(ends, ends + p.V + 1, 0u);
  for (uint32_t k = 0; k < p.K; ++k) {
    if (index[k] < p.V)
      ++ends[index[k]];
    else
      report_bad_index(buffers[4], p.faultLabel, k, static_cast<int32_t>(index[k]));
  }
  for (size_t v = 1; v <= p.V; ++v) ends[v] += ends[v - 1];
  // Backwards, so that each list is in rising order and its end comes down to its beginning.
  for (uint32_t k = p.K; k-- > 0;)
    if (index[k] < p.V) lists[--ends[index[k]]] = k;
}
KERNEL_TARGETS(copy_index_add_sort)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(copy_index_add)
KERNEL_REGISTER(copy_index_add_sort)
#endif
