// elementwise/unary-backward-input (cpu)
// Math      dx[i] = dy[i] f'(x[i]), f' written in x or in y as DERIVATIVE_OF says
// Shapes    dy, saved, dx [n]
// Launch    one cell per element
// Numerics  f32; rounds once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/unary-backward-input.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"
#include "kernels/common/cpu/simd.h"
#include "kernels/elementwise/functions.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, f;
  float alpha, beta;
};

template <class T>
void elementwise_unary_backward_input(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *dy = static_cast<const T *>(buffers[0]) + begin;     // [n]
  const auto *saved = static_cast<const T *>(buffers[1]) + begin;  // [n]
  auto *dx = static_cast<T *>(buffers[2]) + begin;                 // [n]
  with_derivative(p.f, p.alpha, p.beta, [=](auto f) HWY_ATTR {
    for_row(F32(), end - begin, [=](size_t i, auto part) HWY_ATTR {
      part.store(hn::Mul(part.load(dy + i), f(F32(), part.load(saved + i))), dx + i);
    });
  });
}
KERNEL_TARGETS(elementwise_unary_backward_input)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(elementwise_unary_backward_input)
#endif
