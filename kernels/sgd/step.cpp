// sgd/step (cpu)
// Math      g = clip · gradient + wd p;  u = μ u + g;  p -= lr (nesterov ? g + μ u : u);  without velocity p -= lr g
//           nothing changes where clip[1] < 0
// Shapes    parameter, velocity [n] f32 · gradient [n] · schedule [4] = lr, unused · clip [2] = norm, factor
// Launch    one cell per element
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sgd/step.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n;
  float momentum;
  uint32_t nesterov;
  float weightDecay;
  uint32_t hasVelocity, hasClip;
};

template <class T>
void sgd_step(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  auto *parameter = static_cast<float *>(buffers[0]);             // [n]
  const auto *gradient = static_cast<const T *>(buffers[1]);      // [n]
  auto *velocity = static_cast<float *>(buffers[2]);              // [n]
  const auto *schedule = static_cast<const float *>(buffers[3]);  // [4]
  const auto *clip = static_cast<const float *>(buffers[4]);      // [2]
  if (p.hasClip && clip[1] < 0.0f) return;

  const auto rate = hn::Set(d, schedule[0]), factor = hn::Set(d, p.hasClip ? clip[1] : 1.0f);
  const auto momentum = hn::Set(d, p.momentum), decay = hn::Set(d, p.weightDecay);
  for_row(d, end - begin, [&](size_t k, auto part) HWY_ATTR {
    const size_t i = begin + k;
    const auto w = part.load(parameter + i);
    auto g = hn::MulAdd(decay, w, hn::Mul(part.load(gradient + i), factor));
    if (p.hasVelocity) {
      const auto u = hn::MulAdd(momentum, part.load(velocity + i), g);
      part.store(u, velocity + i);
      g = p.nesterov ? hn::MulAdd(momentum, u, g) : u;
    }
    part.store(hn::NegMulAdd(rate, g, w), parameter + i);
  });
}
KERNEL_TARGETS(sgd_step)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(sgd_step)
#endif
