// matmul/backward-bias (cpu)
// Math      dbias[n] = sum over t of dy[t,n];  with accumulate dbias += sum
// Shapes    dy [T,N] · dbias [N] · scratch [blocks,N] f32
// Launch    one cell per 64 rows, then one per 64 columns
// Numerics  f32, rows in order inside a block, blocks in order
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/backward-bias.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/common/cpu/column-sums.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, N, accumulate;
};

template <class T>
void matmul_backward_bias(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d), N = p.N;
  const auto *dy = static_cast<const T *>(buffers[0]);  // [T,N]

  for (size_t block = begin; block < end; ++block) {
    const size_t first = block * kBlockRows, last = HWY_MIN(p.T, first + kBlockRows);
    float *sums = static_cast<float *>(scratch) + block * N;
    // Four vectors of columns stay in registers down the block.
    size_t n = 0;
    for (; n + 4 * lanes <= N; n += 4 * lanes) {
      auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
      for (size_t t = first; t < last; ++t) {
        const T *row = dy + t * N + n;
        s0 = hn::Add(s0, load(d, row));
        s1 = hn::Add(s1, load(d, row + lanes));
        s2 = hn::Add(s2, load(d, row + 2 * lanes));
        s3 = hn::Add(s3, load(d, row + 3 * lanes));
      }
      store(d, s0, sums + n);
      store(d, s1, sums + n + lanes);
      store(d, s2, sums + n + 2 * lanes);
      store(d, s3, sums + n + 3 * lanes);
    }
    for (; n < N; n += lanes) {
      const size_t width = HWY_MIN(lanes, N - n);
      auto sum = hn::Zero(d);
      for (size_t t = first; t < last; ++t) sum = hn::Add(sum, load_n(d, dy + t * N + n, width));
      store_n(d, sum, sums + n, width);
    }
  }
}
KERNEL_TARGETS(matmul_backward_bias)

template <class T>
void matmul_backward_bias_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const size_t blocks = (p.T + kBlockRows - 1) / kBlockRows;
  join_column_sums(static_cast<const float *>(scratch), blocks, p.N, p.accumulate != 0, begin, end,
                   static_cast<T *>(buffers[1]));
}
KERNEL_TARGETS(matmul_backward_bias_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(matmul_backward_bias)
KERNEL_REGISTER(matmul_backward_bias_join)
#endif
