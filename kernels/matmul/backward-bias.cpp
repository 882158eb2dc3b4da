// matmul/backward-bias (cpu)
// Math      dbias[n] = sum over t of dy[t,n];  with accumulate dbias += sum
// Shapes    dy [T,N] · dbias [N] · scratch [blocks,N] f32
// Launch    one cell per 64 rows, then one per 64 columns
// Numerics  f32, rows in order inside a block, blocks in order
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/backward-bias.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/column-sums.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, N, accumulate;
};

template <class T>
void matmul_backward_bias(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t N = p.N;
  const auto *dy = static_cast<const T *>(buffers[0]);  // [T,N]
  sum_blocks<1>(p.T, N, begin, end, static_cast<float *>(scratch),
                [&](auto part, size_t t, size_t n, auto *sums)
                    HWY_ATTR { sums[0] = hn::Add(sums[0], part.load(dy + t * N + n)); });
}
KERNEL_TARGETS(matmul_backward_bias)

template <class T>
void matmul_backward_bias_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  join_column_sums(static_cast<const float *>(scratch), p.N, row_blocks(p.T), p.N, p.accumulate != 0, begin, end,
                   static_cast<T *>(buffers[1]));  // dbias [N]
}
KERNEL_TARGETS(matmul_backward_bias_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(matmul_backward_bias)
KERNEL_REGISTER(matmul_backward_bias_join)
#endif
