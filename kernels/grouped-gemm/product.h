// grouped-gemm/product (cpu): the body that the products of rows with the weight of their expert share
// Math      sums[r] = left[row of r] weight[expert of r], handed tile by tile to an epilogue
// Method    gemm.h with another table of rows: a block is at most 264 rows of one expert, which a cell finds in the
//           offsets; packing gathers them by the routing's order. The strips of a gated weight are half gate and half up,
//           so that an epilogue has both. A block of at most 8 rows is multiplied as gemm-skinny.h does, straight from the
//           weight. Rows past the last one kept are a block as well, which an epilogue clears.
// Tiling    RowPlan and WeightPlan, the same arithmetic as plan.ts
// Numerics  one f32 sum per element, k in order; in blocks of few rows the lanes of k apart, then joined
#include "kernels/common/cpu/gemm-skinny.h"
#include "kernels/common/cpu/routing.h"
#include "kernels/common/cpu/rows.h"

#if defined(CONSILIUM_GROUPED_PRODUCT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_GROUPED_PRODUCT_H
#undef CONSILIUM_GROUPED_PRODUCT_H
#else
#define CONSILIUM_GROUPED_PRODUCT_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

constexpr size_t kGroupRows = 264, kGroupCols = 512, kFewCols = 128, kEnoughCells = 8, kCellWork = 20000000;

HWY_INLINE size_t equal_part(size_t n, size_t most, size_t step) {
  return round_up(ceil_div(HWY_MAX(n, 1), HWY_MAX(ceil_div(n, most), 1)), step);
}

struct RowPlan {
  size_t cols, col_cells;

  RowPlan(size_t R, size_t N, size_t K) {
    cols = equal_part(N, kGroupCols, kStrip);
    while (ceil_div(R, kGroupRows) * ceil_div(N, cols) < kEnoughCells &&
           HWY_MIN(R, kGroupRows) * cols * K > kCellWork && cols > kFewCols)
      cols = round_up(ceil_div(cols, 2), kStrip);
    col_cells = ceil_div(N, cols);
  }
};

struct WeightPlan {
  size_t rows, cols, row_cells, col_cells;

  WeightPlan(size_t R, size_t M, size_t N) {
    rows = equal_part(M, kGroupRows, kPanel);
    cols = equal_part(N, kGroupCols, kStrip);
    while (ceil_div(M, rows) * ceil_div(N, cols) < kEnoughCells && rows * cols * R > kCellWork) {
      if (cols >= rows && cols > kFewCols)
        cols = round_up(ceil_div(cols, 2), kStrip);
      else if (rows >= 96)
        rows = round_up(ceil_div(rows, 2), kPanel);
      else
        break;
    }
    // One at least: where K is 0, a cell has the gradient of the bias still.
    row_cells = HWY_MAX(size_t{1}, ceil_div(M, rows));
    col_cells = HWY_MAX(size_t{1}, ceil_div(N, cols));
  }
};

// Rows of one expert that a cell owns; those of expert E are nobody's. No rows: there is no such block.
struct RowBlock {
  size_t expert, row, rows;
};

HWY_INLINE RowBlock row_block(const int32_t *offsets, size_t E, size_t R, size_t index) {
  for (size_t e = 0; e <= E; ++e) {
    const ExpertRows of(offsets, E, R, e);
    const size_t blocks = ceil_div(of.count(), kGroupRows);
    if (index < blocks) {
      const size_t rows = equal_part(of.count(), kGroupRows, kPanel), first = index * rows;
      return {e, of.begin + first, HWY_MIN(rows, of.count() - first)};
    }
    index -= blocks;
  }
  return {E, R, 0};
}

// Rows of a matrix as the left operand: gathered, or as they are.
template <class T>
struct LeftRows {
  Lines<T> lines;
  const float *packed = nullptr;
  size_t packed_depth = 0;

  template <size_t WIDTH>
  HWY_INLINE void pack(size_t item, size_t k, size_t count, size_t depth, float *out, size_t stride) const {
    pack_lines<WIDTH>(lines.at(item, k), count, depth, out, stride);
  }
};

// Rows of a matrix as what is summed over, its columns the items.
template <class T>
struct SummedRows {
  Lines<T> lines;
  const float *packed = nullptr;
  size_t packed_depth = 0;

  template <size_t WIDTH>
  HWY_INLINE void pack(size_t item, size_t k, size_t count, size_t depth, float *out, size_t stride) const {
    pack_rows<WIDTH>(lines.at(k, item), count, depth, out, stride);
  }
  HWY_INLINE void prefetch(size_t item, size_t k, size_t count, size_t depth, size_t part, size_t parts) const {
    prefetch_lines(lines.at(k, item), depth * part / parts, depth * (part + 1) / parts, count);
  }
};

// A gated weight: half of each strip the gate's columns, half those of up, O of each.
template <class T>
struct GatedColumns {
  Items<T> items;
  size_t O;
  const float *packed = nullptr;
  size_t packed_depth = 0;

  template <size_t WIDTH>
  HWY_INLINE void pack(size_t item, size_t k, size_t, size_t depth, float *out, size_t) const {
    constexpr size_t kHalf = WIDTH / 2;
    const size_t o = item / 2, count = HWY_MIN(kHalf, O - o);
    for (size_t half = 0; half < 2; ++half) {
      const auto from = items.at(half * O + o, k);
      if (from.item == 1)
        pack_rows<kHalf, WIDTH>(Lines<T>{from.data, from.inner}, count, depth, out + half * kHalf, 0);
      else
        pack_columns<kHalf, WIDTH>(Lines<T>{from.data, from.item}, count, depth, out + half * kHalf);
    }
  }
  HWY_INLINE void prefetch(size_t item, size_t k, size_t width, size_t depth, size_t part, size_t parts) const {
    const size_t o = item / 2, count = HWY_MIN(width / 2, O - o);
    for (size_t half = 0; half < 2; ++half) prefetch_panels(items.at(half * O + o, k), count, depth, part, parts);
  }
};

template <class T>
struct GroupedProduct {
  size_t R, E, N, K;       // N columns of the weight
  bool gated;              // its columns are gate, then up, N / 2 each
  const int32_t *offsets;  // [E+1]
  Lines<T> left;           // row of a grouped row
  Items<T> weight;         // of expert 0: items are its columns

  Items<T> weight_of(size_t expert) const { return {weight.data + expert * N * K, weight.item, weight.inner}; }
};

// What a tile is to an epilogue: sums[i * ld + j] of row + i and output o + j, and, where gated, up[i * ld + j].
struct Sums {
  const float *gate, *up;
  size_t ld, row, rows, o, cols;
};

// A block of few rows: columns [col, col + cols) of the weight, in pieces that stay in L1.
template <class T, class Epilogue>
HWY_INLINE void multiply_few(const GroupedProduct<T> &p, const RowBlock &block, size_t col, size_t cols,
                             const Epilogue &epilogue) {
  const size_t K = p.K, rows = block.rows, halves = p.gated ? 2 : 1, outputs = p.N / halves;
  const size_t a_floats = round_up(K * kSkinnyRows, 16), c_floats = kSkinnyRows * kSkinnyCols;
  auto *sums = static_cast<float *>(thread_workspace((a_floats + 2 * c_floats + 32 * kCols) * sizeof(float)));
  float *strip = sums + 2 * c_floats, *left = strip + 32 * kCols;
  const auto items = p.weight_of(block.expert);
  const bool dots = items.inner == 1 && items.item != 1;

  if (!dots)
    pack_columns<kSkinnyRows>(p.left.at(block.row, 0), rows, K, left);
  else
    for (size_t i = 0; i < rows; ++i) {
      const T *from = p.left(block.row + i);
      for_row(F32(), K, [&](size_t k, auto part) HWY_ATTR { part.store(part.load(from + k), left + i * K + k); });
    }
  if (K == 0) std::fill(sums, sums + 2 * c_floats, 0.0f);

  for (size_t o = col; o < col + cols; o += kSkinnyCols) {
    const size_t width = HWY_MIN(kSkinnyCols, col + cols - o);
    for (size_t half = 0; half < halves; ++half) {
      const T *from = items.at(half * outputs + o, 0).data;
      if (dots)
        dot_columns(rows, K, left, K, from, K, width, sums + half * c_floats, kSkinnyCols);
      else
        stream_columns(rows, K, left, from, p.N, width, sums + half * c_floats, strip);
    }
    if (dots) {
      epilogue({sums, sums + c_floats, kSkinnyCols, block.row, rows, o, width});
    } else {
      for (size_t j = 0; j < width; j += kCols)
        epilogue(
            {sums + j * rows, sums + c_floats + j * rows, kCols, block.row, rows, o + j, HWY_MIN(kCols, width - j)});
    }
  }
}

// How an epilogue takes a cell: tile by tile while they are in L1, or row by row.
enum Order { kByTiles, kByRows };

template <Order ORDER, class A, class B, class Epilogue>
HWY_INLINE void multiply_by(const A &a, const B &b, const Cell &cell, const Epilogue &epilogue) {
  if constexpr (ORDER == kByRows)
    multiply_cell_by_rows(a, b, cell, epilogue);
  else
    multiply_cell(a, b, cell, epilogue);
}

// A tile of a cell as Sums. HALVES is 2 where it is gated: columns are then those of the strips, two for each output.
template <size_t HALVES, class Epilogue>
struct TileSums {
  const Epilogue &epilogue;
  size_t end;  // outputs of the cell end there

  HWY_INLINE size_t outputs(size_t o) const { return HWY_MIN(kCols / HALVES, end - o); }
  HWY_INLINE void operator()(const float *tile, size_t ld, size_t row, size_t rows, size_t col, size_t) const {
    const size_t o = col / HALVES;
    epilogue({tile, tile + kCols / 2, ld, row, rows, o, outputs(o)});
  }
  HWY_INLINE void ahead(size_t row, size_t rows, size_t col, size_t) const {
    const size_t o = col / HALVES;
    epilogue.ahead(row, rows, o, outputs(o));
  }
};

// Cells: blocks of rows by columns, columns fastest, so that threads share the rows that they gather. epilogue_of(expert,
// column cell) gives what takes the tiles of a cell; clear(row, rows, o, outputs) zeros what nobody has.
template <Order ORDER, class T, class EpilogueOf, class Clear>
HWY_INLINE void grouped_product(const GroupedProduct<T> &p, size_t begin, size_t end, const EpilogueOf &epilogue_of,
                                const Clear &clear) {
  const RowPlan plan(p.R, p.N, p.K);
  const size_t halves = p.gated ? 2 : 1, outputs = p.N / halves, cols = plan.cols / halves;
  for (size_t cell = begin; cell < end; ++cell) {
    const RowBlock block = row_block(p.offsets, p.E, p.R, cell / plan.col_cells);
    const size_t col_cell = cell % plan.col_cells, col = col_cell * cols;
    if (block.rows == 0) continue;
    const size_t width = HWY_MIN(cols, outputs - col);
    if (block.expert == p.E) {
      clear(block.row, block.rows, col, width);
      continue;
    }
    const auto epilogue = epilogue_of(block.expert, col_cell);
    if (block.rows <= kSkinnyRows) {
      multiply_few(p, block, col, width, epilogue);
      continue;
    }
    const LeftRows<T> left{p.left};
    const auto items = p.weight_of(block.expert);
    using Epilogue = std::decay_t<decltype(epilogue)>;
    if (p.gated) {
      const Cell at{block.row, block.rows, 2 * col, round_up(2 * width, kCols), 0, p.K};
      multiply_by<ORDER>(left, GatedColumns<T>{items, outputs}, at, TileSums<2, Epilogue>{epilogue, col + width});
    } else {
      const Cell at{block.row, block.rows, col, width, 0, p.K};
      multiply_by<ORDER>(left, Operand<T>{items, nullptr, 0}, at, TileSums<1, Epilogue>{epilogue, col + width});
    }
  }
}

// Zeros in a rectangle of a matrix of N columns.
template <class T>
HWY_INLINE void clear_rows(T *out, size_t N, size_t row, size_t rows, size_t col, size_t cols) {
  for (size_t i = 0; i < rows; ++i) std::fill_n(out + (row + i) * N + col, cols, T{});
}

// The rows of a matrix that the left operand is: order of `lists` where they are gathered.
template <class T>
HWY_INLINE Lines<T> grouped_lines(const T *data, size_t step, bool gather, const RoutingLists &lists, uint32_t choices,
                                  uint32_t rows) {
  return gather ? Lines<T>{data, step, lists.order, choices, rows == 0 ? 0 : rows - 1} : Lines<T>{data, step};
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
