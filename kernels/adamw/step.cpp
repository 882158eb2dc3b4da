// adamw/step (cpu)
// Math      m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;  p = p (1 - lr wd) - lr/c1 · m / (√(v/c2) + eps)
//           nothing changes where clip[1] < 0
// Shapes    parameter, m, v [n] f32 · gradient [n] · schedule [parameters,4], row `slot` = lr, c1, c2, unused
//           clip [2] = norm, factor of g
// Method    one pass: four streams in, three out
// Launch    one cell per element
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adamw/step.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, parameters, slot;
  float beta1, rest1, beta2, rest2, eps, weightDecay;
  uint32_t hasClip;
};

template <class T>
void adamw_step(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  auto *parameter = static_cast<float *>(buffers[0]);                                  // [n]
  const auto *gradient = static_cast<const T *>(buffers[1]);                           // [n]
  auto *first = static_cast<float *>(buffers[2]);                                      // [n]
  auto *second = static_cast<float *>(buffers[3]);                                     // [n]
  const auto *schedule = static_cast<const float *>(buffers[4]) + 4 * size_t{p.slot};  // [4] of [parameters,4]
  const auto *clip = static_cast<const float *>(buffers[5]);                           // [2]

  if (p.hasClip && clip[1] < 0.0f) return;

  const float lr = schedule[0];
  const auto factor = hn::Set(d, p.hasClip ? clip[1] : 1.0f);
  const auto b1 = hn::Set(d, p.beta1), b2 = hn::Set(d, p.beta2), eps = hn::Set(d, p.eps);
  const auto rest1 = hn::Set(d, p.rest1), rest2 = hn::Set(d, p.rest2);
  const auto decay = hn::Set(d, 1.0f - lr * p.weightDecay);
  const auto rate = hn::Set(d, lr / schedule[1]), unbias = hn::Set(d, 1.0f / schedule[2]);

  for_row(d, end - begin, [&](size_t k, auto part) HWY_ATTR {
    const size_t i = begin + k;
    const auto g = hn::Mul(part.load(gradient + i), factor);
    const auto m = hn::MulAdd(b1, part.load(first + i), hn::Mul(rest1, g));
    const auto v = hn::MulAdd(b2, part.load(second + i), hn::Mul(rest2, hn::Mul(g, g)));
    part.store(m, first + i);
    part.store(v, second + i);
    const auto step = hn::Div(hn::Mul(rate, m), hn::Add(hn::Sqrt(hn::Mul(v, unbias)), eps));
    part.store(hn::MulSub(part.load(parameter + i), decay, step), parameter + i);
  });
}
KERNEL_TARGETS(adamw_step)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(adamw_step)
#endif
