// rms-norm/backward-weight (cpu)
// Math      dweight[c] = Σ_t dy[t,c] * x[t,c] * rstd[t]
// Shapes    dy, x [T,C] · rstd [T] f32 · dweight [C] · scratch [blocks,C] f32
// Method    common/cpu/column-sums.h
// Launch    partial: one cell per block of 64 rows; join: one cell per 64 columns
// Numerics  f32; the order of the sums depends on T only
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rms-norm/backward-weight.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/column-sums.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
};

template <class T>
void rms_norm_backward_weight_partial(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  const auto *dy = static_cast<const T *>(buffers[0]);        // [T,C]
  const auto *x = static_cast<const T *>(buffers[1]);         // [T,C]
  const auto *rstd = static_cast<const float *>(buffers[2]);  // [T]

  sum_blocks<1>(p.T, C, begin, end, static_cast<float *>(scratch),
                [&](auto part, size_t t, size_t c, auto *sums) HWY_ATTR {
                  const auto normalised = hn::Mul(part.load(x + t * C + c), hn::Set(d, rstd[t]));
                  sums[0] = hn::MulAdd(part.load(dy + t * C + c), normalised, sums[0]);
                });
}
KERNEL_TARGETS(rms_norm_backward_weight_partial)

template <class T>
void rms_norm_backward_weight_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto *lines = static_cast<const float *>(scratch);  // [blocks,C]
  auto *dweight = static_cast<T *>(buffers[3]);             // [C]
  join_column_sums(lines, p.C, row_blocks(p.T), p.C, false, begin, end, dweight);
}
KERNEL_TARGETS(rms_norm_backward_weight_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(rms_norm_backward_weight_partial)
KERNEL_REGISTER(rms_norm_backward_weight_join)
#endif
