// top-k-routing/choose (cpu): which experts a token takes, by its scores
// Numerics  f32; of equal scores the lowest expert
#include "kernels/common/cpu/fault.h"
#include "kernels/common/cpu/philox.h"
#include "kernels/top-k-routing/scores.h"

#if defined(CONSILIUM_ROUTING_CHOOSE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_ROUTING_CHOOSE_H
#undef CONSILIUM_ROUTING_CHOOSE_H
#else
#define CONSILIUM_ROUTING_CHOOSE_H
#endif

#include <algorithm>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// The first fault of a row that begins at `position`: a value that is none, or the row, where it has no other.
HWY_INLINE void report_row(void *faults, uint32_t label, const float *values, size_t n, size_t position) {
  size_t e = 0;
  while (e < n && !is_fault(values[e])) ++e;
  report_not_finite(faults, label, static_cast<uint32_t>(position + (e < n ? e : 0)));
}

// The k largest of n values that are not taken yet, the largest first, the lowest of equal ones.
HWY_INLINE void pick(const float *values, size_t n, size_t k, bool *taken, int32_t *chosen) {
  for (size_t i = 0; i < k; ++i) {
    size_t best = n;
    for (size_t e = 0; e < n; ++e)
      if (!taken[e] && (best == n || values[e] > values[best])) best = e;
    if (best == n) best = 0;  // fewer are open than are asked for, which the op refuses
    taken[best] = true;
    chosen[i] = static_cast<int32_t>(best);
  }
}

// Of experts, and how many a token may choose from.
struct Groups {
  size_t experts, groups, open;
};

// Marks as taken what is not in the open groups: those whose two largest scores sum highest.
HWY_INLINE void close_groups(const Groups &all, const float *scores, float *worth, bool *closed, int32_t *open,
                             bool *taken) {
  const size_t size = all.experts / all.groups;
  for (size_t g = 0; g < all.groups; ++g) {
    float first = -std::numeric_limits<float>::infinity(), second = first;
    for (size_t e = g * size; e < (g + 1) * size; ++e) {
      second = HWY_MAX(second, HWY_MIN(first, scores[e]));
      first = HWY_MAX(first, scores[e]);
    }
    worth[g] = size > 1 ? first + second : first;
  }
  std::fill_n(closed, all.groups, false);
  pick(worth, all.groups, all.open, closed, open);
  for (size_t e = 0; e < all.experts; ++e) taken[e] = !closed[e / size];  // `closed` now holds what was picked
}

// y[e] = x[e] + Gumbel noise of elements [position, position + n).
HWY_INLINE void add_gumbel(const Philox &stream, uint32_t position, size_t n, const float *x, float *y) {
  const F32 d;
  for_random(stream, position, n, [&](size_t first, size_t run, const uint32_t *words) HWY_ATTR {
    const hn::RebindToUnsigned<F32> du;
    for_row(d, run, [&](size_t i, auto part) HWY_ATTR {
      const auto u = hn::Max(uniform(d, hn::LoadU(du, words + i)), hn::Set(d, 0x1p-25f));
      const auto gumbel = hn::Neg(hn::Log(d, hn::Neg(hn::Log(d, u))));
      part.store(hn::Add(part.load(x + first + i), gumbel), y + first + i);
    });
  });
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
