// quantized-matmul/forward (cpu)
// Math      y[r,n] = act(sum over k of x[t,k] w[e,n,k] + bias[e,n]); w = scale q. Without lists e = 0, t = r; with them e is
//           the expert whose rows r is among, and t = order[r] / gather, or r where gather is 0
// Shapes    x [T,K] · weight [E,N,W] words, format.ts · bias [E,N] · lists: offsets[E+1] | counts[E] | order[R] | ... ·
//           y [R,N]
// Method    up to 8 rows, or groups of any size by 8: few.h, on rows of x laid out by a launch before.
//           Else gemm.h, with a packer that widens the weight.
// Tiling    few: 64 columns of an expert, all its rows. Else GemmPlan's rectangles.
// Launch    rows: a row of x · forward: a cell
// Numerics  f32 sums; stores round once
// Limits    rows past the last group become zeros; offsets and order are kept within R and T whatever they hold
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized-matmul/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/common/cpu/gemm-output.h"
#include "kernels/common/cpu/routing.h"
#include "kernels/quantized-matmul/few.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t T, R, E, N, K, W, L, bits, group, gather, activation, hasBias, grouped;

  QuantizedMatrix expert(const uint32_t *words, size_t e) const { return {words + e * N * W, W, K, bits, group}; }
};

template <class T>
void quantized_matmul_forward_rows(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const T *>(buffers[0]);  // [T,K]
  auto *rows = static_cast<float *>(scratch);          // [T, spread_floats(K)]
  for (size_t t = begin; t < end; ++t) spread_row(x + t * p.K, p.K, p.bits, rows + t * spread_floats(p.K));
}
KERNEL_TARGETS(quantized_matmul_forward_rows)

// 64 columns of one expert, for all of its rows.
template <class Epilogue>
HWY_INLINE void forward_few(const Params &p, const QuantizedMatrix &w, const int32_t *lists, size_t e, size_t col,
                            const float *spread, const Epilogue &epilogue) {
  const ExpertRows own = p.grouped ? ExpertRows(lists, p.E, p.R, e) : ExpertRows(p.R);
  const int32_t *order = p.gather ? RoutingLists(lists, p.E, p.R).order : nullptr;
  const auto token = [&](size_t r) {
    return order ? HWY_MIN(static_cast<size_t>(HWY_MAX(order[r], 0)) / p.gather, size_t{p.T} - 1) : r;
  };
  const size_t cols = HWY_MIN(kFewCols, p.N - col), stride = spread_floats(p.K);
  HWY_ALIGN float tile[kFewRows * kFewCols];
  const float *x[kFewRows];
  for (size_t r = own.begin; r < own.end; r += kFewRows) {
    const size_t rows = HWY_MIN(kFewRows, own.end - r);
    for (size_t i = 0; i < rows; ++i) x[i] = spread + token(r + i) * stride;
    few_columns(w, rows, col, cols, x, tile, kFewCols);
    epilogue(tile, kFewCols, r, rows, col, cols);
  }
}

template <class T>
void quantized_matmul_forward(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const T *>(buffers[0]);                           // [T,K]
  const auto *words = static_cast<const uint32_t *>(buffers[1]);                // [E,N,W]
  const auto *bias = p.hasBias ? static_cast<const T *>(buffers[2]) : nullptr;  // [E,N]
  const auto *lists = static_cast<const int32_t *>(buffers[3]);
  auto *y = static_cast<T *>(buffers[4]);  // [R,N]
  const auto output_of = [&](size_t e) {
    return GemmOutput<T>{y, nullptr, bias ? bias + e * p.N : nullptr, p.N, p.activation, false};
  };
  if (p.grouped || p.R <= kFewRows) {
    const size_t pieces = ceil_div(p.N, kFewCols);
    for (size_t cell = begin; cell < end; ++cell) {
      const size_t e = cell / pieces, col = cell % pieces * kFewCols;
      forward_few(p, p.expert(words, e), lists, e, col, static_cast<const float *>(scratch), output_of(e));
      if (p.grouped && e + 1 == p.E)
        for (size_t r = ExpertRows(lists, p.E, p.R, p.E).begin; r < p.R; ++r)
          for (size_t n = col; n < HWY_MIN(col + kFewCols, p.N); ++n) store1(0, y + r * p.N + n);
    }
    return;
  }
  const GemmPlan plan({1, p.R, p.N, p.K, false, true, false, false});
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t col = cell % plan.col_cells * plan.cols, row = cell / plan.col_cells * plan.rows;
    const Operand<T> left{{x, p.K, 1}, nullptr, 0};
    const QuantizedOperand<QuantizedRows> right{{p.expert(words, 0), 0, 0}};
    multiply_cell(left, right, Cell{row, HWY_MIN(plan.rows, p.R - row), col, HWY_MIN(plan.cols, p.N - col), 0, p.K},
                  output_of(0));
  }
}
KERNEL_TARGETS(quantized_matmul_forward)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(quantized_matmul_forward_rows)
KERNEL_REGISTER(quantized_matmul_forward)
#endif
