// matmul/backward-activation (cpu)
// Math      dpreactivation[t,n] = dy[t,n] act'(preactivation[t,n]);  dbias[n] = sum over t of dpreactivation[t,n]
// Shapes    dy, preactivation, dpreactivation [T,N] · dbias [N], optional · scratch [blocks,N] f32 with dbias
// Launch    one cell per 64 rows, then one per 64 columns
// Numerics  f32; dbias sums the values before they are rounded for storage, rows in order, blocks in order
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/backward-activation.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/activation.h"
#include "kernels/common/cpu/column-sums.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, N, activation, hasDbias;
};

template <class T>
void matmul_backward_activation(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const F32 d;
  const size_t lanes = hn::Lanes(d), N = p.N, whole = N - N % lanes;
  const auto *dy = static_cast<const T *>(buffers[0]);             // [T,N]
  const auto *preactivation = static_cast<const T *>(buffers[1]);  // [T,N]
  auto *dpreactivation = static_cast<T *>(buffers[2]);             // [T,N]

  for (size_t block = begin; block < end; ++block) {
    const size_t first = block * kBlockRows, last = HWY_MIN(p.T, first + kBlockRows);
    float *sums = p.hasDbias ? static_cast<float *>(scratch) + block * N : nullptr;
    for (size_t t = first; t < last; ++t) {
      const size_t at = t * N;
      for (size_t n = 0; n < whole; n += lanes) {
        const auto slope = activation_derivative(d, p.activation, load(d, preactivation + at + n));
        const auto g = hn::Mul(load(d, dy + at + n), slope);
        store(d, g, dpreactivation + at + n);
        if (sums) store(d, t == first ? g : hn::Add(load(d, sums + n), g), sums + n);
      }
      if (const size_t rest = N - whole) {
        const auto slope = activation_derivative(d, p.activation, load_n(d, preactivation + at + whole, rest));
        const auto g = hn::Mul(load_n(d, dy + at + whole, rest), slope);
        store_n(d, g, dpreactivation + at + whole, rest);
        if (sums) store_n(d, t == first ? g : hn::Add(load_n(d, sums + whole, rest), g), sums + whole, rest);
      }
    }
  }
}
KERNEL_TARGETS(matmul_backward_activation)

template <class T>
void matmul_backward_activation_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  join_column_sums(static_cast<const float *>(scratch), p.N, row_blocks(p.T), p.N, false, begin, end,
                   static_cast<T *>(buffers[3]));  // dbias [N]
}
KERNEL_TARGETS(matmul_backward_activation_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(matmul_backward_activation)
KERNEL_REGISTER(matmul_backward_activation_join)
#endif
