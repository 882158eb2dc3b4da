// grouped-gemm/forward (cpu)
// Math      pre[r,n] = sum over k of x[row of r,k] weight[e,n,k] + bias[e,n], e the expert of r;  y = act(pre), gated
//           y[r,o] = act(pre[r,o]) pre[r,O+o]. With accumulate pre, or y without an activation, is what the sum adds to.
// Shapes    x [T,K] · weight [E,N,K] or [E,K,N] · bias [E,N] · lists [L] · pre [R,N], optional · y [R,O]
// Method    product.h; bias and activation while the tile is in L1
// Launch    a rectangle of y, of one expert
// Numerics  f32 sums; stores round once; y is of pre before it is rounded
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/grouped-gemm/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/common/cpu/activation.h"
#include "kernels/grouped-gemm/product.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, R, E, N, K, L, transposed, choices, gather, O, activation, gated, accumulate, hasBias, hasPre;
};

template <class T>
struct ForwardOutput {
  T *y;            // [R,O]
  T *pre;          // [R,N] or nullptr
  const T *bias;   // [N] of this expert, or nullptr
  const T *start;  // [R,N] or nullptr: what the sum adds to
  size_t N, O;
  uint32_t activation;

  HWY_INLINE void ahead(size_t row, size_t rows, size_t o, size_t cols) const {
    prefetch_rows(y, O, row, rows, o, cols);
    if (!pre) return;
    for (size_t n = o; n < N; n += O) prefetch_rows(pre, N, row, rows, n, cols);
  }

  HWY_INLINE void operator()(const Sums &sums) const {
    const F32 d;
    for (size_t i = 0; i < sums.rows; ++i) {
      const size_t at = (sums.row + i) * N + sums.o;
      T *out = y + (sums.row + i) * O + sums.o;
      for_row(d, sums.cols, [&](size_t j, auto part) HWY_ATTR {
        const auto finish = [&](const float *tile, size_t shift) HWY_ATTR {
          auto v = part.load(tile + i * sums.ld + j);
          if (bias) v = hn::Add(v, part.load(bias + shift + sums.o + j));
          if (start) v = hn::Add(v, part.load(start + shift + at + j));
          if (pre) part.store(v, pre + shift + at + j);
          return v;
        };
        auto v = finish(sums.gate, 0);
        if (activation) v = activate(d, activation, v);
        if (N != O) v = hn::Mul(v, finish(sums.up, O));
        part.store(v, out + j);
      });
    }
  }
};

template <class T>
void grouped_gemm_forward(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const T *>(buffers[0]);                           // [T,K]
  const auto *weight = static_cast<const T *>(buffers[1]);                      // [E,N,K] or [E,K,N]
  const auto *bias = p.hasBias ? static_cast<const T *>(buffers[2]) : nullptr;  // [E,N]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[3]), p.E, p.R);
  auto *pre = p.hasPre ? static_cast<T *>(buffers[4]) : nullptr;  // [R,N]
  auto *y = static_cast<T *>(buffers[5]);                         // [R,O]
  const size_t N = p.N, K = p.K, O = p.O;
  const bool plain = p.activation == kNone && !p.gated;
  const T *start = !p.accumulate ? nullptr : plain ? y : pre;

  const GroupedProduct<T> product{p.R,
                                  p.E,
                                  N,
                                  K,
                                  p.gated != 0,
                                  lists.offsets,
                                  grouped_lines(x, K, p.gather != 0, lists, p.choices, p.T),
                                  p.transposed ? Items<T>{weight, K, 1} : Items<T>{weight, 1, N}};
  const auto output = [&](size_t expert, size_t) {
    return ForwardOutput<T>{y, pre, bias ? bias + expert * N : nullptr, start, N, O, p.activation};
  };
  const auto clear = [&](size_t row, size_t rows, size_t o, size_t cols) {
    clear_rows(y, O, row, rows, o, cols);
    if (!pre) return;
    clear_rows(pre, N, row, rows, o, cols);
    if (p.gated) clear_rows(pre, N, row, rows, O + o, cols);
  };
  grouped_product<kByTiles>(product, begin, end, output, clear);
}
KERNEL_TARGETS(grouped_gemm_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(grouped_gemm_forward)
#endif
