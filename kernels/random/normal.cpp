// random/normal (cpu)
// Math      y[2j], y[2j+1] = mean + deviation √(-2 log(1 - u[2j])) (cos, sin)(2π u[2j+1])
// Shapes    random u32[4] · y [n]
// Launch    one cell per pair of elements
// Numerics  the C library's logf, sinf and cosf: within a few units in the last place on every machine, not bit-identical
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/random/normal.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/philox.h"

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n;
  float mean, deviation;
  uint32_t sequence;
};

template <class T>
void random_normal(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  auto *y = static_cast<T *>(buffers[1]);  // [n]
  const Philox stream(static_cast<const uint32_t *>(buffers[0]), p.sequence);
  const auto unit = [](uint32_t word) { return static_cast<float>(word >> 8) / 16777216.0f; };
  for_random(stream, 2 * begin, 2 * (end - begin), [&](size_t first, size_t run, const uint32_t *words) HWY_ATTR {
    for (size_t i = 0; i < run; i += 2) {
      const size_t at = 2 * size_t{begin} + first + i;
      const float radius = p.deviation * std::sqrt(-2.0f * std::log(1.0f - unit(words[i])));
      const float angle = 6.28318530717958647692f * unit(words[i + 1]);
      store1(p.mean + radius * std::cos(angle), y + at);
      if (at + 1 < p.n) store1(p.mean + radius * std::sin(angle), y + at + 1);
    }
  });
}
KERNEL_TARGETS(random_normal)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(random_normal)
#endif
