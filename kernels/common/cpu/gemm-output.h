// gemm-output (cpu): the epilogue of a dense product
// Math      y = act(tile + bias), or y += tile + bias; preactivation = tile + bias where it is wanted
#include "kernels/common/cpu/activation.h"
#include "kernels/common/cpu/gemm.h"

#if defined(CONSILIUM_GEMM_OUTPUT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_GEMM_OUTPUT_H
#undef CONSILIUM_GEMM_OUTPUT_H
#else
#define CONSILIUM_GEMM_OUTPUT_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

template <class T>
struct GemmOutput {
  T *y;              // [M,N] of this batch
  T *preactivation;  // [M,N] or nullptr
  const T *bias;     // [N] or nullptr
  size_t N;
  uint32_t activation;
  bool accumulate;

  HWY_INLINE void ahead(size_t row, size_t rows, size_t col, size_t cols) const {
    prefetch_rows(y, N, row, rows, col, cols);
    if (preactivation) prefetch_rows(preactivation, N, row, rows, col, cols);
  }

  HWY_INLINE void operator()(const float *tile, size_t ld, size_t row, size_t rows, size_t col, size_t cols) const {
    const Lanes d;
    const size_t lanes = hn::Lanes(d), whole = cols - cols % lanes;
    for (size_t i = 0; i < rows; ++i) {
      const float *sums = tile + i * ld;
      const size_t at = (row + i) * N + col;
      for (size_t j = 0; j < whole; j += lanes) {
        auto v = hn::LoadU(d, sums + j);
        if (bias) v = hn::Add(v, load(d, bias + col + j));
        if (preactivation) store(d, v, preactivation + at + j);
        if (accumulate) v = hn::Add(v, load(d, y + at + j));
        if (activation) v = activate(d, activation, v);
        store(d, v, y + at + j);
      }
      if (const size_t n = cols - whole) {
        auto v = load_n(d, sums + whole, n);
        if (bias) v = hn::Add(v, load_n(d, bias + col + whole, n));
        if (preactivation) store_n(d, v, preactivation + at + whole, n);
        if (accumulate) v = hn::Add(v, load_n(d, y + at + whole, n));
        if (activation) v = activate(d, activation, v);
        store_n(d, v, y + at + whole, n);
      }
    }
  }
};

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
