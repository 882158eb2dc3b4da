// grouped-gemm/backward-input (cpu)
// Math      dx[r,k] (+)= sum over n of dy[row of r,n] weight[e,n,k], e the expert of r
// Shapes    dy [T,N] · weight [E,N,K] or [E,K,N] · lists [L] · dx [R,K]
// Method    product.h
// Launch    a rectangle of dx, of one expert
// Numerics  f32 sums; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/grouped-gemm/backward-input.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/grouped-gemm/product.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, R, E, N, K, L, transposed, choices, gather, accumulate;
};

template <class T>
struct InputGradient {
  T *dx;  // [R,K]
  size_t K;
  bool accumulate;

  HWY_INLINE void ahead(size_t row, size_t rows, size_t k, size_t cols) const {
    prefetch_rows(dx, K, row, rows, k, cols);
  }

  HWY_INLINE void operator()(const Sums &sums) const {
    for (size_t i = 0; i < sums.rows; ++i) {
      T *out = dx + (sums.row + i) * K + sums.o;
      for_row(F32(), sums.cols, [&](size_t j, auto part) HWY_ATTR {
        const auto v = part.load(sums.gate + i * sums.ld + j);
        part.store(accumulate ? hn::Add(v, part.load(out + j)) : v, out + j);
      });
    }
  }
};

template <class T>
void grouped_gemm_backward_input(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *dy = static_cast<const T *>(buffers[0]);      // [T,N]
  const auto *weight = static_cast<const T *>(buffers[1]);  // [E,N,K] or [E,K,N]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[2]), p.E, p.R);
  auto *dx = static_cast<T *>(buffers[3]);  // [R,K]
  const size_t N = p.N, K = p.K;
  const bool accumulate = p.accumulate != 0;

  const GroupedProduct<T> product{p.R,
                                  p.E,
                                  K,
                                  N,
                                  false,
                                  lists.offsets,
                                  grouped_lines(dy, N, p.gather != 0, lists, p.choices, p.T),
                                  p.transposed ? Items<T>{weight, 1, K} : Items<T>{weight, N, 1}};
  const auto output = [&](size_t, size_t) { return InputGradient<T>{dx, K, accumulate}; };
  const auto clear = [&](size_t row, size_t rows, size_t o, size_t cols) {
    if (!accumulate) clear_rows(dx, K, row, rows, o, cols);
  };
  grouped_product<kByTiles>(product, begin, end, output, clear);
}
KERNEL_TARGETS(grouped_gemm_backward_input)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(grouped_gemm_backward_input)
#endif
