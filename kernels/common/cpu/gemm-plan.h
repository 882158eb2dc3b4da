// How a product is cut into cells on the CPU. The same arithmetic as kernels/matmul/plan.ts, which says why: that file
// tells the pool how many cells there are, this one tells a cell what it owns. Change both.
#pragma once
#include <algorithm>
#include <cstddef>

namespace consilium {

struct GemmShape {
  size_t B, M, N, K;
  bool transpose_a, transpose_b;  // op(a) is [M,K]: stored [K,M] when transposed; op(b) is [K,N]
  bool batched_a, batched_b;      // false: one matrix for all batches
};

inline size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }
inline size_t round_up(size_t a, size_t step) { return ceil_div(a, step) * step; }

constexpr size_t kPanel = 12, kStrip = 32;
constexpr size_t kPackItems = 96, kPackDepth = 256, kJoinRows = 8;
constexpr size_t kSkinnyRows = 8, kSkinnyCols = 256;

// Cells of the packing launch for one operand of `items` rows or columns.
inline size_t pack_blocks(size_t items, size_t depth) {
  return ceil_div(items, kPackItems) * ceil_div(depth, kPackDepth);
}

struct GemmPlan {
  size_t rows, cols, row_cells, col_cells, splits, depth;
  bool share_a, share_b;
  // Scratch in floats: packed A, then packed B, then partial products.
  size_t a_matrix, b_matrix, b_begin, partial_begin;

  explicit GemmPlan(const GemmShape &s) {
    const size_t B = s.B, M = s.M, N = s.N, K = s.K;
    rows = M <= 516 ? round_up(std::max<size_t>(1, M), kPanel) : 192;
    const bool by_rows = M > 516 || N <= 1024;
    cols = by_rows ? round_up(ceil_div(std::max<size_t>(1, N), std::max<size_t>(1, ceil_div(N, 1024))), kStrip) : 128;
    const auto cells = [&] { return B * ceil_div(M, rows) * ceil_div(N, cols); };
    while (!by_rows && cols < 1024 && cells() > 64 && rows * cols * K < 1000000) cols *= 2;
    while (cells() < 16 && rows * cols * K > 20000000) {
      if (by_rows && rows >= 192)
        rows = round_up(ceil_div(rows, 2), kPanel);
      else if (cols > 128)
        cols = round_up(ceil_div(cols, 2), kStrip);
      else if (rows >= 96)
        rows = round_up(ceil_div(rows, 2), kPanel);
      else
        break;
    }
    const size_t wanted = std::min({K / 512, 16 / std::max<size_t>(1, cells()), (B * M * N * K) >> 21});
    depth = wanted > 1 ? round_up(ceil_div(K, wanted), 256) : K;
    splits = wanted > 1 ? ceil_div(K, depth) : 1;
    row_cells = ceil_div(M, rows);
    col_cells = ceil_div(N, cols);
    share_a = col_cells > 2;
    share_b = row_cells > 2;

    a_matrix = round_up(M, kPanel) * K;
    b_matrix = round_up(N, kStrip) * K;
    b_begin = share_a ? round_up((s.batched_a ? B : 1) * a_matrix, 16) : 0;
    partial_begin = b_begin + (share_b ? (s.batched_b ? B : 1) * b_matrix : 0);
  }
};

}  // namespace consilium
