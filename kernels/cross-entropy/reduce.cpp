// cross-entropy/reduce (cpu)
// Math      y = scale * Σ_t loss[t];  scale = 1, or 1 / max(1, targets other than ignoreIndex) for a mean
// Shapes    loss [T] f32 · target [T] i32 · y, scale [1] f32
// Launch    one cell: some thousand tokens take a microsecond
// Numerics  f32 within blocks of 256 tokens, f64 over blocks
// Limits    no target that counts gives 0, not 0 / 0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cross-entropy/reduce.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, ignoreIndex, mean;
};

constexpr size_t kTokens = 256;

void cross_entropy_reduce_f32(KERNEL_ARGS) {
  (void)begin, (void)end, (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const auto *loss = static_cast<const float *>(buffers[0]);      // [T]
  const auto *target = static_cast<const int32_t *>(buffers[1]);  // [T]
  auto *y = static_cast<float *>(buffers[2]);                     // [1]
  auto *scale = static_cast<float *>(buffers[3]);                 // [1]

  double sum = 0;
  size_t count = 0;
  for (size_t first = 0; first < p.T; first += kTokens) {
    const size_t n = std::min<size_t>(kTokens, p.T - first);
    auto block = hn::Zero(d);
    for_row(d, n, [&](size_t t, auto part) HWY_ATTR { block = hn::Add(block, part.load(loss + first + t)); });
    sum += sum_of(d, block);
    for (size_t t = first; t < first + n; ++t) count += target[t] != static_cast<int32_t>(p.ignoreIndex);
  }
  const double s = p.mean ? 1.0 / static_cast<double>(std::max<size_t>(1, count)) : 1.0;
  *scale = static_cast<float>(s);
  *y = static_cast<float>(sum * s);
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER_ONE(cross_entropy_reduce_f32)
#endif
