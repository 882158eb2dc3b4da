// lora-matmul/product (cpu): a dense product with a branch of low rank beside it, forward and backward
// Math      y = x w + bias + mask_out ∘ ((mask_in ∘ x) p q)
//             forward  x [T,K], w = weightᵀ, p = aᵀ, q = scale bᵀ, dropout on x
//             backward x = dy [T,N], w = weight, p = scale b, q = a, dropout on the branch's result
// Shapes    x [M,K] · w [K,N] · p [K,R] · q [R,N] · rank = (mask_in ∘ x) p [M,R], also an output
// Method    adapters  pack p and q, which every cell needs
//           rows      pack 48 rows of x, once, and multiply the packed panels by p while they are in cache;
//                     or pack a block of w where several cells use it
//           product   the cells of gemm.h; after the last K block each register tile resumes for R more steps, over the
//                     rank rows and q. With dropout on the result these go to a tile of their own, masked, then added.
// Numerics  f32 throughout; the branch uses rank before it is rounded for storage
// Scratch   x panels · rank panels · p strips · q strips · w strips, in floats, each from a cache line on
#include "kernels/common/cpu/dropout.h"
#include "kernels/common/cpu/gemm-output.h"
#include "kernels/common/cpu/gemm.h"

#if defined(CONSILIUM_LORA_PRODUCT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_LORA_PRODUCT_H
#undef CONSILIUM_LORA_PRODUCT_H
#else
#define CONSILIUM_LORA_PRODUCT_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

template <class T>
struct LoraProduct {
  size_t M, N, K, R;
  const T *x;        // [M,K]
  Items<T> w, p, q;  // items: columns of w, p and q
  float scale_p, scale_q;
  Dropout mask_in, mask_out;  // one of them at most; elements are those of x, or of the result
  T *rank;                    // [M,R]

  GemmPlan plan() const { return GemmPlan({1, M, N, K, false, false, false, false}); }
};

// Where the parts lie in scratch.
struct LoraScratch {
  float *x, *rank, *p, *q, *w;

  template <class T>
  LoraScratch(const LoraProduct<T> &s, void *scratch) : x(static_cast<float *>(scratch)) {
    rank = x + round_up(round_up(s.M, kPanel) * s.K, 16);
    p = rank + round_up(round_up(s.M, kPanel) * s.R, 16);
    q = p + round_up(s.R, kStrip) * s.K;
    w = q + round_up(s.N, kStrip) * s.R;
  }
};

constexpr size_t kAdapterCols = 256, kRowsOfCell = 48;

// Columns [first, first + count) of an adapter as strips, times scale.
template <class T>
HWY_INLINE void pack_adapter(const Items<T> &columns, size_t first, size_t count, size_t depth, float scale,
                             float *strips) {
  float *out = strips + first * depth;
  pack_panels<kCols>(columns.at(first, 0), count, depth, out, kCols * depth);
  if (scale != 1.0f)
    for (size_t i = 0; i < round_up(count, kCols) * depth; ++i) out[i] *= scale;
}

// Cells: 32 columns of p, then 256 columns of q.
template <class T>
HWY_INLINE void lora_adapters(const LoraProduct<T> &s, size_t begin, size_t end, void *scratch) {
  const LoraScratch to(s, scratch);
  const size_t p_cells = ceil_div(s.R, kStrip);
  for (size_t cell = begin; cell < end; ++cell) {
    if (cell < p_cells) {
      const size_t first = cell * kStrip;
      pack_adapter(s.p, first, HWY_MIN(kStrip, s.R - first), s.K, s.scale_p, to.p);
    } else {
      const size_t first = (cell - p_cells) * kAdapterCols;
      pack_adapter(s.q, first, HWY_MIN(kAdapterCols, s.N - first), s.R, s.scale_q, to.q);
    }
  }
}

// rank = panel p for one panel of rows: to the output, and packed for the branch.
template <class T>
HWY_INLINE void rank_of_panel(const LoraProduct<T> &s, const LoraScratch &at, size_t row, size_t rows,
                              const float *panel) {
  HWY_ALIGN float tile[kRows * kCols];
  float *packed = at.rank + row * s.R;
  for (size_t r = 0; r < s.R; r += kCols) {
    const size_t width = HWY_MIN(kCols, s.R - r), vectors = width > kCols / 2 ? 2 : 1;
    tile_for<float>(rows, vectors)(s.K, panel, kRows, at.p + r * s.K, kCols, tile, kCols, false);
    for (size_t i = 0; i < rows; ++i)
      for (size_t j = 0; j < width; ++j) {
        store1(tile[i * kCols + j], s.rank + (row + i) * s.R + r + j);
        packed[(r + j) * kRows + i] = tile[i * kCols + j];
      }
  }
}

// Cells: 48 rows of x, then blocks of w.
template <class T>
HWY_INLINE void lora_rows(const LoraProduct<T> &s, size_t begin, size_t end, void *scratch) {
  const LoraScratch at(s, scratch);
  const Lanes d;
  const size_t row_cells = ceil_div(s.M, kRowsOfCell), lanes = hn::Lanes(d);
  for (size_t cell = begin; cell < end; ++cell) {
    if (cell >= row_cells) {
      pack_block<kCols>(s.w, s.N, s.K, cell - row_cells, at.w);
      continue;
    }
    const size_t last = HWY_MIN(s.M, (cell + 1) * kRowsOfCell);
    for (size_t row = cell * kRowsOfCell; row < last; row += kRows) {
      const size_t rows = HWY_MIN(kRows, last - row);
      float *panel = at.x + row * s.K;
      pack_panels<kRows>(Items<T>{s.x + row * s.K, s.K, 1}, rows, s.K, panel, 0);
      if (!s.mask_in) {
        rank_of_panel(s, at, row, rows, panel);
        continue;
      }
      auto *dropped = static_cast<float *>(thread_workspace(2 * kRows * round_up(s.K, 16) * sizeof(float)));
      float *dropped_panel = dropped + kRows * round_up(s.K, 16);
      const size_t n = rows * s.K;
      size_t i = 0;
      for (; i + lanes <= n; i += lanes) store(d, load(d, s.x + row * s.K + i), dropped + i);
      for (; i < n; ++i) dropped[i] = load1(s.x + row * s.K + i);
      s.mask_in.apply(dropped, static_cast<uint32_t>(row * s.K), n, dropped);
      pack_panels<kRows>(Items<float>{dropped, s.K, 1}, rows, s.K, dropped_panel, 0);
      rank_of_panel(s, at, row, rows, dropped_panel);
    }
  }
}

// Cells: rectangles of y.
template <class T>
HWY_INLINE void lora_product(const LoraProduct<T> &s, const GemmOutput<T> &output, size_t begin, size_t end,
                             void *scratch) {
  const LoraScratch at(s, scratch);
  const GemmPlan plan = s.plan();
  const Operand<T> left{{s.x, s.K, 1}, at.x, s.K}, right{s.w, plan.share_b ? at.w : nullptr, s.K};
  const auto finish = [&](float *tile, size_t ld, size_t row, size_t rows, size_t col, size_t cols) HWY_ATTR {
    const auto branch = tile_for<float>(rows, cols > kCols / 2 ? 2 : 1);
    const float *rank = at.rank + row * s.R, *q = at.q + col * s.R;
    if (!s.mask_out) {
      branch(s.R, rank, kRows, q, kCols, tile, ld, true);
    } else {
      HWY_ALIGN float extra[kRows * kCols];
      branch(s.R, rank, kRows, q, kCols, extra, kCols, false);
      for (size_t i = 0; i < rows; ++i) {
        float *line = extra + i * kCols;
        s.mask_out.apply(line, static_cast<uint32_t>((row + i) * s.N + col), cols, line);
        for (size_t j = 0; j < cols; ++j) tile[i * ld + j] += line[j];
      }
    }
    output(tile, ld, row, rows, col, cols);
  };
  for (size_t cell = begin; cell < end; ++cell) {
    const size_t row = cell / plan.col_cells * plan.rows, col = cell % plan.col_cells * plan.cols;
    multiply_cell(left, right, {row, HWY_MIN(plan.rows, s.M - row), col, HWY_MIN(plan.cols, s.N - col), 0, s.K},
                  finish);
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
