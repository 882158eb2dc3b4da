// dropout/forward (cpu)
// Math      y[i] = x[i] / (1 - rate) where u[i / span] >= rate, else 0; u uniform in [0, 1), 24 bits
// Shapes    x, y [n] · random u32[4]
// Method    span 1: random words in runs of 256, compared by vectors; longer spans: one word decides a stretch
// Launch    one cell per element
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dropout/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/philox.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, span;
  float rate;
  uint32_t sequence;
};

template <class T>
void dropout_forward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const hn::RebindToUnsigned<F32> du;
  const auto *x = static_cast<const T *>(buffers[0]);  // [n]
  auto *y = static_cast<T *>(buffers[2]);              // [n]
  const Philox stream(static_cast<const uint32_t *>(buffers[1]), p.sequence);
  const auto scale = hn::Set(d, 1.0f / (1.0f - p.rate)), rate = hn::Set(d, p.rate);

  if (p.span == 1) {
    for_random(stream, begin, end, [&](uint32_t first, uint32_t n, const uint32_t *words) HWY_ATTR {
      for_row(d, n, [&](size_t i, auto part) HWY_ATTR {
        const auto u = uniform(d, hn::LoadU(du, words + i));
        part.store(hn::IfThenElseZero(hn::Ge(u, rate), hn::Mul(part.load(x + first + i), scale)), y + first + i);
      });
    });
    return;
  }
  for (uint32_t i = begin; i < end;) {
    const uint32_t group = i / p.span, stop = HWY_MIN(end, (group + 1) * p.span);
    HWY_ALIGN uint32_t words[4 * hn::MaxLanes(du)];
    stream.fill(group >> 2, 1, words);
    const bool keep = static_cast<float>(words[group & 3] >> 8) / 16777216.0f >= p.rate;
    const auto factor = keep ? scale : hn::Zero(d);
    for_row(d, stop - i, [&](size_t k, auto part) HWY_ATTR {
      part.store(keep ? hn::Mul(part.load(x + i + k), factor) : hn::Zero(d), y + i + k);
    });
    i = stop;
  }
}
KERNEL_TARGETS(dropout_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(dropout_forward)
#endif
