// matmul/forward (cpu)
// Math      y[b,m,n] = act(sum over k of op(a[b])[m,k] op(b[b])[k,n] + bias[n]);  with accumulate y += sum + bias
// Shapes    a [B|1,M,K] or transposed [B|1,K,M] · b [B|1,K,N] or [B|1,N,K] · bias [N] · y, preactivation [B,M,N]
// Method    up to 8 rows: gemm-skinny.h. Else gemm.h: an operand that many cells use is packed by a launch of its own,
//           then one cell per rectangle of y. Few rectangles and a long inner dimension: ranges of it are multiplied
//           apart into scratch, and a third launch adds them in order.
// Launch    pack: 96 rows of a or columns of b, 256 of K · forward: a rectangle of y in a range of K · join: 8 rows
// Numerics  f32 sums; stores round once
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/forward.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include "kernels/common/cpu/gemm-output.h"
#include "kernels/common/cpu/gemm-skinny.h"

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t B, M, N, K, transposeA, transposeB, batchedA, batchedB, activation, accumulate, hasBias, hasPreactivation;

  GemmShape shape() const { return {B, M, N, K, transposeA != 0, transposeB != 0, batchedA != 0, batchedB != 0}; }
};

template <class T>
HWY_INLINE GemmOutput<T> output_of(const Params &p, void *const *buffers, size_t batch) {
  const size_t from = batch * p.M * p.N;
  auto *y = static_cast<T *>(buffers[3]);                                             // [B,M,N]
  auto *preactivation = p.hasPreactivation ? static_cast<T *>(buffers[4]) : nullptr;  // [B,M,N]
  const auto *bias = p.hasBias ? static_cast<const T *>(buffers[2]) : nullptr;        // [N]
  return {y + from, preactivation ? preactivation + from : nullptr, bias, p.N, p.activation, p.accumulate != 0};
}

template <class T>
void matmul_forward_pack(KERNEL_ARGS) {
  const auto shape = static_cast<const Params *>(params)->shape();
  pack_operands(shape, GemmPlan(shape), static_cast<const T *>(buffers[0]), static_cast<const T *>(buffers[1]), begin,
                end, static_cast<float *>(scratch));
}
KERNEL_TARGETS(matmul_forward_pack)

// The partial products of one batch: ranges of K, each [M,N].
struct Partial {
  float *sums;  // [M,N]
  size_t N;

  HWY_INLINE void operator()(const float *tile, size_t ld, size_t row, size_t rows, size_t col, size_t cols) const {
    const Lanes d;
    const size_t lanes = hn::Lanes(d), whole = cols - cols % lanes;
    for (size_t i = 0; i < rows; ++i) {
      float *out = sums + (row + i) * N + col;
      for (size_t j = 0; j < whole; j += lanes) hn::StoreU(hn::LoadU(d, tile + i * ld + j), d, out + j);
      if (whole < cols) store_n(d, load_n(d, tile + i * ld + whole, cols - whole), out + whole, cols - whole);
    }
  }
};

template <class T>
void matmul_forward(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto s = p.shape();
  const auto *a = static_cast<const T *>(buffers[0]);  // [B|1,M,K] or [B|1,K,M]
  const auto *b = static_cast<const T *>(buffers[1]);  // [B|1,K,N] or [B|1,N,K]
  if (s.M <= kSkinnyRows)
    return multiply_skinny(s, a, b, begin, end, [&](size_t batch) { return output_of<T>(p, buffers, batch); });

  const GemmPlan plan(s);
  const auto *packed = static_cast<const float *>(scratch);
  for (size_t index = begin; index < end; ++index) {
    // Columns fastest: the threads then walk through b together, and share the rows of a that they read.
    const size_t col = index % plan.col_cells * plan.cols, rest = index / plan.col_cells;
    const size_t row = rest % plan.row_cells * plan.rows, split = rest / plan.row_cells % plan.splits;
    const size_t batch = rest / plan.row_cells / plan.splits, k = split * plan.depth;
    const Cell cell{row, HWY_MIN(plan.rows, s.M - row), col, HWY_MIN(plan.cols, s.N - col),
                    k,   HWY_MIN(plan.depth, s.K - k)};
    const Operand<T> left{rows_of_a(s, a, batch),
                          plan.share_a ? packed + (s.batched_a ? batch : 0) * plan.a_matrix : nullptr, s.K};
    const Operand<T> right{columns_of_b(s, b, batch),
                           plan.share_b ? packed + plan.b_begin + (s.batched_b ? batch : 0) * plan.b_matrix : nullptr,
                           s.K};
    if (plan.splits > 1) {
      float *partial = static_cast<float *>(scratch) + plan.partial_begin;
      multiply_cell(left, right, cell, Partial{partial + (batch * plan.splits + split) * s.M * s.N, s.N});
    } else {
      multiply_cell(left, right, cell, output_of<T>(p, buffers, batch));
    }
  }
}
KERNEL_TARGETS(matmul_forward)

template <class T>
void matmul_forward_join(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto s = p.shape();
  const GemmPlan plan(s);
  const size_t M = s.M, N = s.N, cells = ceil_div(M, kJoinRows);
  const Lanes d;
  const size_t lanes = hn::Lanes(d), whole = N - N % lanes;
  auto *sums = static_cast<float *>(thread_workspace(N * sizeof(float)));
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t batch = cell / cells, first = cell % cells * kJoinRows, last = HWY_MIN(M, first + kJoinRows);
    const float *partial = static_cast<const float *>(scratch) + plan.partial_begin + batch * plan.splits * M * N;
    const auto output = output_of<T>(p, buffers, batch);
    for (size_t m = first; m < last; ++m) {
      const auto joined = [&](const auto &read) HWY_ATTR {
        auto sum = read(partial + m * N);
        for (size_t split = 1; split < plan.splits; ++split) sum = hn::Add(sum, read(partial + (split * M + m) * N));
        return sum;
      };
      for (size_t n = 0; n < whole; n += lanes)
        hn::StoreU(joined([&](const float *row) HWY_ATTR { return hn::LoadU(d, row + n); }), d, sums + n);
      if (const size_t rest = N - whole)
        store_n(d, joined([&](const float *row) HWY_ATTR { return load_n(d, row + whole, rest); }), sums + whole, rest);
      output(sums, N, m, 1, 0, N);
    }
  }
}
KERNEL_TARGETS(matmul_forward_join)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(matmul_forward_pack)
KERNEL_REGISTER(matmul_forward)
KERNEL_REGISTER(matmul_forward_join)
#endif
