// gemm (cpu): the body that every dense product shares
// Math      op(a) op(b), handed tile by tile to an epilogue
// Method    for each K block: pack the cell's rows of a;
//             for each strip of b: pack it, for each panel of a: multiply_tile, which resumes the sums of the K block before;
//           what a launch before has packed is not packed again
//           after the last K block each tile goes to the epilogue while it is in L1.
// Tiling    GemmPlan
// Numerics  one f32 sum per element, k in order: the same bits however the cells are cut
#include <utility>

#include "kernels/common/cpu/gemm-micro.h"
#include "kernels/common/cpu/gemm-plan.h"

#if defined(CONSILIUM_GEMM_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONSILIUM_GEMM_H
#undef CONSILIUM_GEMM_H
#else
#define CONSILIUM_GEMM_H
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// The rectangle of op(a) op(b) that a cell owns, and its range of the inner dimension.
struct Cell {
  size_t row, rows, col, cols, k, depth;
};

// An operand of one batch: where it is, and its packed panels where a launch before has made them. Any other with these
// members may take its place.
template <class T>
struct Operand {
  Items<T> items;
  const float *packed;  // nullptr: the cell packs what it needs
  size_t packed_depth;  // inner length of the packed panels

  // `count` items from `item` on, their inner values from k on.
  template <size_t WIDTH>
  HWY_INLINE void pack(size_t item, size_t k, size_t count, size_t depth, float *out, size_t stride) const {
    pack_panels<WIDTH>(items.at(item, k), count, depth, out, stride);
  }
  // Asks for part `part` of `parts` of what that will read.
  HWY_INLINE void prefetch(size_t item, size_t k, size_t count, size_t depth, size_t part, size_t parts) const {
    prefetch_panels(items.at(item, k), count, depth, part, parts);
  }
};

// K blocks of at most 256 (a strip of 32 KiB), but no second block for a short rest. Multiples of 32: whole groups of a
// quantised operand.
HWY_INLINE size_t block_depth(size_t depth) {
  if (depth <= 384) return depth;
  return round_up(ceil_div(depth, ceil_div(depth, 256)), 32);
}

// Tile (i, j) of a cell, i rows and j columns from its corner, is at sums + j * rows + i * kCols.
struct CellSums {
  const float *sums;
  size_t rows;
  HWY_INLINE const float *at(size_t i, size_t j) const { return sums + j * rows + i * kCols; }
};

// Lines that an epilogue will write are asked for before the sums of their tile, where it has `ahead`. Members and not
// lambdas do that: GCC drops calls of functions that only prefetch unless they are inlined early.
template <class Finish>
HWY_INLINE auto ask_ahead(const Finish &finish, size_t row, size_t rows, size_t col, size_t cols, int)
    -> decltype(finish.ahead(row, rows, col, cols)) {
  finish.ahead(row, rows, col, cols);
}
template <class Finish>
HWY_INLINE void ask_ahead(const Finish &, size_t, size_t, size_t, size_t, long) {}

// Asks for columns [col, col + cols) of rows of a matrix of N columns, to write them.
template <class T>
HWY_INLINE void prefetch_rows(const T *matrix, size_t N, size_t row, size_t rows, size_t col, size_t cols) {
  for (size_t i = row; i < row + rows; ++i) {
    const T *line = matrix + i * N + col;
    for (size_t j = 0; j < cols; j += 64 / sizeof(T)) __builtin_prefetch(line + j, 1, 3);
  }
}

// Multiplies a cell and calls finish(tile, kCols, row, rows, col, cols) for each tile when its sums are done. Where `keep`
// is set they all stay until the thread's next workspace.
template <class A, class B, class Finish>
HWY_INLINE CellSums multiply_tiles(const A &a, const B &b, const Cell &cell, bool keep, const Finish &finish) {
  const size_t block = block_depth(cell.depth), rows = round_up(cell.rows, kRows), cols = round_up(cell.cols, kCols);
  const bool reuse = block == cell.depth && !keep;
  const size_t a_floats = a.packed ? 0 : round_up(rows * block, 16), b_floats = b.packed ? 0 : kCols * block;
  const size_t c_floats = reuse ? kRows * kCols : rows * cols;
  auto *work_c = static_cast<float *>(thread_workspace((a_floats + b_floats + c_floats) * sizeof(float)));
  float *work_b = work_c + c_floats, *work_a = work_b + b_floats;

  size_t k = 0;
  do {  // once where depth is 0: the tiles are then zero
    const size_t depth = HWY_MIN(block, cell.depth - k);
    const bool last = k + depth == cell.depth;
    if (!a.packed) a.template pack<kRows>(cell.row, cell.k + k, cell.rows, depth, work_a, kRows * depth);
    for (size_t j = 0; j < cell.cols; j += kCols) {
      const size_t width = HWY_MIN(kCols, cell.cols - j);
      if (!b.packed) b.template pack<kCols>(cell.col + j, cell.k + k, width, depth, work_b, 0);
      const float *strip = b.packed ? b.packed + (cell.col + j) * b.packed_depth + (cell.k + k) * kCols : work_b;
      const size_t vectors = width > kCols / 2 ? 2 : 1;
      // What is packed next: the strip after this one, or the first of the next K block.
      const bool turn = j + kCols >= cell.cols;
      const size_t next = turn ? 0 : j + kCols, next_k = turn ? k + depth : k;
      const size_t next_width = HWY_MIN(kCols, cell.cols - next), next_depth = HWY_MIN(block, cell.depth - next_k);
      const bool fetches = !b.packed && next_depth > 0;
      for (size_t i = 0; i < cell.rows; i += kRows) {
        const size_t height = HWY_MIN(kRows, cell.rows - i);
        const float *panel =
            a.packed ? a.packed + (cell.row + i) * a.packed_depth + (cell.k + k) * kRows : work_a + i * depth;
        float *tile = reuse ? work_c : work_c + j * rows + i * kCols;
        if (last) ask_ahead(finish, cell.row + i, height, cell.col + j, width, 0);
        // After the sums where the epilogue's lines come before them: both at once are more than a core can wait for. Twice
        // and not in a lambda, see ask_ahead.
        if (fetches && !last)
          b.prefetch(cell.col + next, cell.k + next_k, next_width, next_depth, i / kRows, rows / kRows);
        tile_for<float>(height, vectors)(depth, panel, kRows, strip, kCols, tile, kCols, k > 0);
        if (fetches && last)
          b.prefetch(cell.col + next, cell.k + next_k, next_width, next_depth, i / kRows, rows / kRows);
        if (last) finish(tile, kCols, cell.row + i, height, cell.col + j, width);
      }
    }
    k += depth;
  } while (k < cell.depth);
  return {work_c, rows};
}

// Calls epilogue(tile, ld, row, rows, col, cols) once for each tile of the cell, while it is in L1.
template <class A, class B, class Epilogue>
HWY_INLINE void multiply_cell(const A &a, const B &b, const Cell &cell, const Epilogue &epilogue) {
  multiply_tiles(a, b, cell, false, epilogue);
}

// The same, but row by row once all sums are done: an epilogue that reads and writes much then walks through its matrices
// as their rows lie. Tile by tile it would touch two lines in each of twelve rows, and wait for memory.
template <class A, class B, class Epilogue>
HWY_INLINE void multiply_cell_by_rows(const A &a, const B &b, const Cell &cell, const Epilogue &epilogue) {
  const auto sums = multiply_tiles(a, b, cell, true, [](const float *, size_t, size_t, size_t, size_t, size_t) {});
  for (size_t i = 0; i < cell.rows; ++i)
    for (size_t j = 0; j < cell.cols; j += kCols)
      epilogue(sums.at(i, j), kCols, cell.row + i, 1, cell.col + j, HWY_MIN(kCols, cell.cols - j));
}

// The items of one batch's operands.
template <class T>
HWY_INLINE Items<T> rows_of_a(const GemmShape &s, const T *a, size_t batch) {
  if (s.batched_a) a += batch * s.M * s.K;
  return s.transpose_a ? Items<T>{a, 1, s.M} : Items<T>{a, s.K, 1};
}
template <class T>
HWY_INLINE Items<T> columns_of_b(const GemmShape &s, const T *b, size_t batch) {
  if (s.batched_b) b += batch * s.K * s.N;
  return s.transpose_b ? Items<T>{b, s.K, 1} : Items<T>{b, 1, s.N};
}

// One cell of a packing launch: `index` counts blocks of kPackItems items by kPackDepth of the inner dimension.
template <size_t WIDTH, class T>
HWY_INLINE void pack_block(const Items<T> &items, size_t count, size_t depth, size_t index, float *panels) {
  const size_t blocks = ceil_div(depth, kPackDepth), item = index / blocks * kPackItems,
               k = index % blocks * kPackDepth;
  pack_panels<WIDTH>(items.at(item, k), HWY_MIN(kPackItems, count - item), HWY_MIN(kPackDepth, depth - k),
                     panels + item * depth + k * WIDTH, WIDTH * depth);
}

// The packing launch: blocks of a, batch by batch, then blocks of b.
template <class T>
HWY_INLINE void pack_operands(const GemmShape &s, const GemmPlan &plan, const T *a, const T *b, size_t begin,
                              size_t end, float *scratch) {
  const size_t a_blocks = plan.share_a ? pack_blocks(s.M, s.K) : 0, b_blocks = pack_blocks(s.N, s.K);
  const size_t all_a = (s.batched_a ? s.B : 1) * a_blocks;
  for (size_t cell = begin; cell < end; ++cell) {
    if (cell < all_a) {
      const size_t batch = cell / a_blocks;
      pack_block<kRows>(rows_of_a(s, a, batch), s.M, s.K, cell % a_blocks, scratch + batch * plan.a_matrix);
    } else {
      const size_t batch = (cell - all_a) / b_blocks;
      pack_block<kCols>(columns_of_b(s, b, batch), s.N, s.K, (cell - all_a) % b_blocks,
                        scratch + plan.b_begin + batch * plan.b_matrix);
    }
  }
}

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
