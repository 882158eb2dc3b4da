// grouped-gemm/backward-weight (cpu)
// Math      dweight[e,n,k] (+)= sum over the rows r of e of dy[row,n] x[row,k];  dbias[e,n] (+)= sum of s dy[row,n],
//           s = weights of the row's choice, or 1
// Shapes    dy [D,N] · x [S,K] · lists [L] · weights [W], optional · dweight [E,N,K] or [E,K,N] · dbias [E,N], optional
// Method    gemm.h for a rectangle of one expert's gradient, summed over its rows, which packing gathers; dbias in the
//           cells of the first column (or row) of rectangles. An expert without rows gets zeros.
// Launch    a rectangle of dweight
// Numerics  f32, rows in order; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/grouped-gemm/backward-weight.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/grouped-gemm/product.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t D, S, R, E, N, K, L, W, transposed, choices, gatherDy, gatherX, accumulate, accumulateBias, hasWeights,
      hasDbias;
};

// dbias[n] (+)= sum of s dy[row,n] over rows, for n in [first, first + count). factors: null without weights.
template <class T>
HWY_INLINE void sum_rows(const Lines<T> &dy, size_t rows, const int32_t *order, const float *weights, size_t W,
                         size_t first, size_t count, bool accumulate, T *dbias) {
  const F32 d;
  for_row(d, count, [&](size_t j, auto part) HWY_ATTR {
    const size_t n = first + j;
    auto sum = accumulate ? part.load(dbias + n) : hn::Zero(d);
    for (size_t r = 0; r < rows; ++r) {
      const auto v = part.load(dy(r) + n);
      sum = weights ? hn::MulAdd(v, hn::Set(d, weights[HWY_MIN(static_cast<uint32_t>(order[r]), W - 1)]), sum)
                    : hn::Add(sum, v);
    }
    part.store(sum, dbias + n);
  });
}

template <class T>
struct WeightGradient {
  T *out;  // of this expert, rows of `width`
  size_t width;
  bool accumulate;

  HWY_INLINE void ahead(size_t row, size_t rows, size_t col, size_t cols) const {
    prefetch_rows(out, width, row, rows, col, cols);
  }

  HWY_INLINE void operator()(const float *tile, size_t ld, size_t row, size_t rows, size_t col, size_t cols) const {
    for (size_t i = 0; i < rows; ++i) {
      T *line = out + (row + i) * width + col;
      for_row(F32(), cols, [&](size_t j, auto part) HWY_ATTR {
        const auto v = part.load(tile + i * ld + j);
        part.store(accumulate ? hn::Add(v, part.load(line + j)) : v, line + j);
      });
    }
  }
};

template <class T>
void grouped_gemm_backward_weight(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *dy = static_cast<const T *>(buffers[0]);  // [D,N]
  const auto *x = static_cast<const T *>(buffers[1]);   // [S,K]
  const RoutingLists lists(static_cast<const int32_t *>(buffers[2]), p.E, p.R);
  const auto *weights = p.hasWeights ? static_cast<const float *>(buffers[3]) : nullptr;  // [W]
  auto *dweight = static_cast<T *>(buffers[4]);                                           // [E,N,K] or [E,K,N]
  auto *dbias = p.hasDbias ? static_cast<T *>(buffers[5]) : nullptr;                      // [E,N]
  const size_t N = p.N, K = p.K, M = p.transposed ? N : K, width = p.transposed ? K : N;
  const bool accumulate = p.accumulate != 0;
  const auto of_dy = grouped_lines(dy, N, p.gatherDy != 0, lists, p.choices, p.D);
  const auto of_x = grouped_lines(x, K, p.gatherX != 0, lists, p.choices, p.S);
  const WeightPlan plan(p.R, M, width);

  const size_t cells = plan.row_cells * plan.col_cells;
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t expert = cell / cells, row_cell = cell % cells / plan.col_cells, col_cell = cell % plan.col_cells;
    const size_t row = row_cell * plan.rows, rows = HWY_MIN(plan.rows, M - row);
    const size_t col = col_cell * plan.cols, cols = HWY_MIN(plan.cols, width - col);
    const ExpertRows of(lists.offsets, p.E, p.R, expert);
    const auto dy_rows = of_dy.at(of.begin, 0), x_rows = of_x.at(of.begin, 0);
    const SummedRows<T> left{p.transposed ? dy_rows : x_rows}, right{p.transposed ? x_rows : dy_rows};
    if (rows > 0 && cols > 0)
      multiply_cell(left, right, {row, rows, col, cols, 0, of.count()},
                    WeightGradient<T>{dweight + expert * N * K, width, accumulate});
    if (!dbias || (p.transposed ? col_cell : row_cell) != 0) continue;
    sum_rows(dy_rows, of.count(), lists.order + of.begin, weights, p.W, p.transposed ? row : col,
             p.transposed ? rows : cols, p.accumulateBias != 0, dbias + expert * N);
  }
}
KERNEL_TARGETS(grouped_gemm_backward_weight)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(grouped_gemm_backward_weight)
#endif
