// dropout/forward (cpu)
// Math      y[i] = x[i] / (1 - rate) where u[i / span] >= rate, else 0; u uniform in [0, 1), 24 bits
// Shapes    x, y [n] · random u32[4]
// Method    span 1: random words in runs of 256, compared by vectors; longer spans: one word decides a stretch
// Launch    one cell per element
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dropout/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/dropout.h"

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
  const auto *x = static_cast<const T *>(buffers[0]);  // [n]
  auto *y = static_cast<T *>(buffers[2]);              // [n]
  const Dropout dropout(static_cast<const uint32_t *>(buffers[1]), p.sequence, p.rate);

  if (p.span == 1) return dropout.apply(x + begin, begin, end - begin, y + begin);
  const auto scale = hn::Set(d, dropout.keep);
  for (uint32_t i = begin; i < end;) {
    const uint32_t group = i / p.span, stop = HWY_MIN(end, (group + 1) * p.span);
    HWY_ALIGN uint32_t words[4 * hn::MaxLanes(hn::ScalableTag<uint32_t>())];
    dropout.stream.fill(group >> 2, 1, words);
    const bool dropped = dropout.drops(words[group & 3]);
    for_row(d, stop - i, [&](size_t k, auto part) HWY_ATTR {
      part.store(dropped ? hn::Zero(d) : hn::Mul(part.load(x + i + k), scale), y + i + k);
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
