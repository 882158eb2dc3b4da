// random/uniform (cpu)
// Math      y[i] = low + (high - low) u[i]; u uniform in [0, 1), 24 bits
// Shapes    random u32[4] · y [n]
// Launch    one cell per element
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/random/uniform.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/philox.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n;
  float low, high;
  uint32_t sequence;
};

template <class T>
void random_uniform(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const hn::RebindToUnsigned<F32> du;
  auto *y = static_cast<T *>(buffers[1]);  // [n]
  const Philox stream(static_cast<const uint32_t *>(buffers[0]), p.sequence);
  const auto low = hn::Set(d, p.low), width = hn::Set(d, p.high - p.low);
  for_random(stream, begin, end - begin, [&](size_t first, size_t run, const uint32_t *words) HWY_ATTR {
    for_row(d, run, [&](size_t i, auto part) HWY_ATTR {
      part.store(hn::MulAdd(uniform(d, hn::LoadU(du, words + i)), width, low), y + begin + first + i);
    });
  });
}
KERNEL_TARGETS(random_uniform)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(random_uniform)
#endif
