// grad-norm/partial (cpu)
// Math      partials[offset + k] = Σ x[i]² over i in block k of 16,384 elements
// Shapes    x [n] · partials [count] f32
// Launch    one cell per block
// Numerics  f32, one sum per vector lane
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/grad-norm/partial.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t n, offset, count;
};

template <class T>
void grad_norm_partial(KERNEL_ARGS) {
  (void)scratch;
  constexpr uint32_t kBlock = 16384;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const auto *x = static_cast<const T *>(buffers[0]);  // [n]
  auto *partials = static_cast<float *>(buffers[1]);   // [count]
  for (uint32_t block = begin; block < end; ++block) {
    const uint32_t first = block * kBlock;
    auto sum = hn::Zero(d);
    for_row(d, HWY_MIN(kBlock, p.n - first), [&](size_t i, auto part) HWY_ATTR {
      const auto value = part.load(x + first + i);
      sum = hn::MulAdd(value, value, sum);
    });
    partials[p.offset + block] = sum_of(d, sum);
  }
}
KERNEL_TARGETS(grad_norm_partial)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(grad_norm_partial)
#endif
