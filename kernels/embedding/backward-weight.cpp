// embedding/backward-weight (cpu)
// Math      dweight[v,c] (+)= Σ_{t: ids[t] = v} dy[t,c];  ids of paddingIndex or outside [0, V) count nowhere
// Shapes    dy [T,C] · ids [T] i32 · dweight [V,C] · scratch [2,T] of (id, position)
// Method    sort: positions by id, a stable radix sort by bytes; zero: unless accumulating; add: the first position of
//           each run of equal ids sums the run, in order of position, and is the only one to touch those columns
// Launch    sort: one cell; zero: one cell per row of dweight; add: one cell per position and 64 columns, positions fastest
// Numerics  a run is summed in f32 before it meets dweight: a repeated id rounds once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/embedding/backward-weight.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, V, C, paddingIndex, accumulate;
};

constexpr size_t kCols = 64;  // COLS of kernels.ts

struct Lookup {
  uint32_t id, position;
};

// Bytes in which ids up to V differ; V itself stands for "counts nowhere" and sorts last.
HWY_INLINE uint32_t id_bytes(const Params &p) { return p.V < 256 ? 1 : p.V < 65536 ? 2 : p.V < (1u << 24) ? 3 : 4; }
// Each byte moves the list to the other half of the scratch.
HWY_INLINE const Lookup *sorted(const Params &p, const void *scratch) {
  return static_cast<const Lookup *>(scratch) + (id_bytes(p) % 2) * p.T;
}

template <class T>
void embedding_backward_weight_sort(KERNEL_ARGS) {
  (void)begin, (void)end;
  const auto &p = *static_cast<const Params *>(params);
  const auto *ids = static_cast<const int32_t *>(buffers[1]);  // [T]
  auto *from = static_cast<Lookup *>(scratch), *to = from + p.T;

  for (uint32_t t = 0; t < p.T; ++t) {
    const auto id = static_cast<uint32_t>(ids[t]);
    from[t] = {id < p.V && id != p.paddingIndex ? id : p.V, t};
  }
  for (uint32_t byte = 0; byte < id_bytes(p); ++byte) {
    const auto digit = [&](const Lookup &l) { return l.id >> (8 * byte) & 255; };
    uint32_t next[256] = {};
    for (uint32_t t = 0; t < p.T; ++t) ++next[digit(from[t])];
    uint32_t offset = 0;
    for (uint32_t &n : next) {
      const uint32_t count = n;
      n = offset;
      offset += count;
    }
    for (uint32_t t = 0; t < p.T; ++t) to[next[digit(from[t])]++] = from[t];
    std::swap(from, to);
  }
}
KERNEL_TARGETS(embedding_backward_weight_sort)

template <class T>
void embedding_backward_weight_zero(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  auto *dweight = static_cast<T *>(buffers[2]);  // [V,C]
  std::memset(dweight + size_t{begin} * p.C, 0, size_t{end - begin} * p.C * sizeof(T));
}
KERNEL_TARGETS(embedding_backward_weight_zero)

template <class T>
void embedding_backward_weight_add(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  const Lookup *lookups = sorted(p, scratch);
  const auto *dy = static_cast<const T *>(buffers[0]);  // [T,C]

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t first = cell % p.T, col = cell / p.T * kCols;
    const uint32_t id = lookups[first].id;
    if (id == p.V || (first > 0 && lookups[first - 1].id == id)) continue;
    size_t last = first + 1;
    while (last < p.T && lookups[last].id == id) ++last;

    const T *from = dy + col;
    T *row = static_cast<T *>(buffers[2]) + id * C + col;  // [V,C]
    for_row(d, std::min(kCols, C - col), [&](size_t c, auto part) HWY_ATTR {
      auto sum = part.load(from + lookups[first].position * C + c);
      for (size_t i = first + 1; i < last; ++i) sum = hn::Add(sum, part.load(from + lookups[i].position * C + c));
      if (p.accumulate) sum = hn::Add(part.load(row + c), sum);
      part.store(sum, row + c);
    });
  }
}
KERNEL_TARGETS(embedding_backward_weight_add)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(embedding_backward_weight_sort)
KERNEL_REGISTER(embedding_backward_weight_zero)
KERNEL_REGISTER(embedding_backward_weight_add)
#endif
