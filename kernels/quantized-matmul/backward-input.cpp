// quantized-matmul/backward-input (cpu)
// Math      dx[r,k] = sum over n of dy[r,n] w[e,n,k]; w = scale q, e the expert whose rows r is among
// Shapes    dy [R,N] · weight [E,N,W] words, format.ts · lists: offsets[E+1] | ... · dx [R,K]
// Method    gemm.h, with a packer that widens the weight
// Tiling    without groups GemmPlan's rectangles; with them 128 columns of an expert, its rows by 192
// Numerics  f32 sums; stores round once
// Limits    rows past the last group become zeros; offsets are kept within R whatever they hold
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized-matmul/backward-input.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/common/cpu/gemm-output.h"
#include "kernels/common/cpu/routing.h"
#include "kernels/quantized-matmul/weight.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t R, E, N, K, W, L, bits, group, grouped;

  QuantizedMatrix expert(const uint32_t *words, size_t e) const { return {words + e * N * W, W, K, bits, group}; }
};

constexpr size_t kGroupRows = 192, kGroupCols = 128;

template <class T>
void quantized_matmul_backward_input(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto *dy = static_cast<const T *>(buffers[0]);            // [R,N]
  const auto *words = static_cast<const uint32_t *>(buffers[1]);  // [E,N,W]
  const auto *lists = static_cast<const int32_t *>(buffers[2]);
  auto *dx = static_cast<T *>(buffers[3]);  // [R,K]
  const Operand<T> left{{dy, p.N, 1}, nullptr, 0};
  const GemmOutput<T> output{dx, nullptr, nullptr, p.K, 0, false};
  const auto multiply = [&](size_t e, size_t row, size_t rows, size_t col, size_t cols) HWY_ATTR {
    const QuantizedOperand<QuantizedColumns> right{{p.expert(words, e), 0, 0}};
    multiply_cell(left, right, Cell{row, rows, col, HWY_MIN(cols, p.K - col), 0, p.N}, output);
  };
  if (!p.grouped) {
    const GemmPlan plan({1, p.R, p.K, p.N, false, false, false, false});
    for (size_t cell = begin; cell < end; ++cell) {
      const size_t row = cell / plan.col_cells * plan.rows;
      multiply(0, row, HWY_MIN(plan.rows, p.R - row), cell % plan.col_cells * plan.cols, plan.cols);
    }
    return;
  }
  const size_t pieces = ceil_div(p.K, kGroupCols);
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t e = cell / pieces, col = cell % pieces * kGroupCols;
    const ExpertRows own(lists, p.E, p.R, e);
    for (size_t row = own.begin; row < own.end; row += kGroupRows)
      multiply(e, row, HWY_MIN(kGroupRows, own.end - row), col, kGroupCols);
    if (e + 1 == p.E)
      for (size_t r = ExpertRows(lists, p.E, p.R, p.E).begin; r < p.R; ++r)
        for (size_t k = col; k < HWY_MIN(col + kGroupCols, p.K); ++k) store1(0, dx + r * p.K + k);
  }
}
KERNEL_TARGETS(quantized_matmul_backward_input)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(quantized_matmul_backward_input)
#endif
