// layer-norm/backward-weight (cpu)
// Math      dweight[c] = Σ_t dy[t,c] * (x[t,c] - mean[t]) * rstd[t];  dbias[c] = Σ_t dy[t,c]
// Shapes    dy, x [T,C] · mean, rstd [T] f32 · dweight, dbias [C] · scratch [blocks,2,C] f32
// Method    common/cpu/column-sums.h
// Launch    partial: one cell per block of 64 rows; join: one cell per 64 columns
// Numerics  f32; the order of the sums depends on T only
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer-norm/backward-weight.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/column-sums.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, C;
};

template <class T>
void layer_norm_backward_weight_partial(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t C = p.C;
  const auto *dy = static_cast<const T *>(buffers[0]);        // [T,C]
  const auto *x = static_cast<const T *>(buffers[1]);         // [T,C]
  const auto *mean = static_cast<const float *>(buffers[2]);  // [T]
  const auto *rstd = static_cast<const float *>(buffers[3]);  // [T]

  sum_blocks<2>(p.T, C, begin, end, static_cast<float *>(scratch),
                [&](auto part, size_t t, size_t c, auto *sums) HWY_ATTR {
                  const auto g = part.load(dy + t * C + c);
                  const auto distance = hn::Sub(part.load(x + t * C + c), hn::Set(d, mean[t]));
                  sums[0] = hn::MulAdd(g, hn::Mul(distance, hn::Set(d, rstd[t])), sums[0]);
                  sums[1] = hn::Add(sums[1], g);
                });
}
KERNEL_TARGETS(layer_norm_backward_weight_partial)

template <class T>
void layer_norm_backward_weight_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t C = p.C, blocks = row_blocks(p.T);
  const auto *lines = static_cast<const float *>(scratch);  // [blocks,2,C]
  auto *dweight = static_cast<T *>(buffers[4]);             // [C]
  auto *dbias = static_cast<T *>(buffers[5]);               // [C]
  join_column_sums(lines, 2 * C, blocks, C, false, begin, end, dweight);
  join_column_sums(lines + C, 2 * C, blocks, C, false, begin, end, dbias);
}
KERNEL_TARGETS(layer_norm_backward_weight_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(layer_norm_backward_weight_partial)
KERNEL_REGISTER(layer_norm_backward_weight_join)
#endif
