// rms-norm/backward-weight (cpu)
// Math      dweight[c] = Σ_t dy[t,c] * x[t,c] * rstd[t]
// Shapes    dy, x [T,C] · rstd [T] f32 · dweight [C] · scratch [blocks,C] f32
// Method    partial: a block of 64 rows, in strips of 4 vectors whose sums stay in registers; join: blocks in order
// Launch    partial: one cell per block of 64 rows; join: one cell per 64 columns
// Numerics  f32; the order of the sums depends on T only
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rms-norm/backward-weight.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/rows.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
};

constexpr size_t kBlock = 64;  // BLOCK of kernels.ts

template <class T>
void rms_norm_backward_weight_partial(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d), C = p.C;
  const auto *dy = static_cast<const T *>(buffers[0]);        // [T,C]
  const auto *x = static_cast<const T *>(buffers[1]);         // [T,C]
  const auto *rstd = static_cast<const float *>(buffers[2]);  // [T]

  for (size_t block = begin; block < end; ++block) {
    const size_t first = block * kBlock, last = std::min<size_t>(first + kBlock, p.T);
    float *partial = static_cast<float *>(scratch) + block * C;

    size_t c = 0;
    for (; c + 4 * lanes <= C; c += 4 * lanes) {
      auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
      for (size_t t = first; t < last; ++t) {
        const auto r = hn::Set(d, rstd[t]);
        const T *g = dy + t * C + c, *v = x + t * C + c;
        s0 = hn::MulAdd(load(d, g), hn::Mul(load(d, v), r), s0);
        s1 = hn::MulAdd(load(d, g + lanes), hn::Mul(load(d, v + lanes), r), s1);
        s2 = hn::MulAdd(load(d, g + 2 * lanes), hn::Mul(load(d, v + 2 * lanes), r), s2);
        s3 = hn::MulAdd(load(d, g + 3 * lanes), hn::Mul(load(d, v + 3 * lanes), r), s3);
      }
      hn::StoreU(s0, d, partial + c);
      hn::StoreU(s1, d, partial + c + lanes);
      hn::StoreU(s2, d, partial + c + 2 * lanes);
      hn::StoreU(s3, d, partial + c + 3 * lanes);
    }

    for_row(d, C - c, [&](size_t i, auto part) HWY_ATTR {
      auto sum = hn::Zero(d);
      for (size_t t = first; t < last; ++t) {
        const auto n = hn::Mul(part.load(x + t * C + c + i), hn::Set(d, rstd[t]));
        sum = hn::MulAdd(part.load(dy + t * C + c + i), n, sum);
      }
      part.store(sum, partial + c + i);
    });
  }
}
KERNEL_TARGETS(rms_norm_backward_weight_partial)

template <class T>
void rms_norm_backward_weight_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C, blocks = (p.T + kBlock - 1) / kBlock;
  const auto *partial = static_cast<const float *>(scratch);
  auto *dweight = static_cast<T *>(buffers[3]);  // [C]

  const size_t first = begin * kBlock, last = std::min<size_t>(end * kBlock, C);
  for_row(d, last - first, [&](size_t i, auto part) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (size_t block = 0; block < blocks; ++block) sum = hn::Add(sum, part.load(partial + block * C + first + i));
    part.store(sum, dweight + first + i);
  });
}
KERNEL_TARGETS(rms_norm_backward_weight_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(rms_norm_backward_weight_partial)
KERNEL_REGISTER(rms_norm_backward_weight_join)
#endif
