// copy/transpose (cpu)
// Math      y[o + j yRow + i] = x[o + i xRow + j]
// Shapes    i < I, j < J; the offsets o run over [d0..d3], each with a stride in x and one in y
// Method    tiles of 32 x 32 words. Squares of 16-byte vectors are transposed in registers into a buffer; its rows, whole
//           cache lines, go to y, so that rows a power of two apart do not push each other out of the cache.
//           Part tiles pass through a padded copy.
// Tiling    a cell owns a tile; tiles run over i first, then j, then o
// Launch    one cell per tile
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/copy/transpose.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

// Also in kernels.ts.
constexpr size_t tile = 32;

struct Params {
  uint32_t d0, d1, d2, d3, x0, x1, x2, x3, y0, y1, y2, y3, I, J, xRow, yRow;
};

#if HWY_TARGET == HWY_SCALAR
template <class Word>
void transpose_tile(const Word *x, size_t pitch, Word (&out)[tile][tile]) {
  for (size_t i = 0; i < tile; ++i)
    for (size_t j = 0; j < tile; ++j) out[j][i] = x[i * pitch + j];
}
#else
// out[j][i] = x[i pitch + j] for a square as wide as a vector: a perfect shuffle of rows, log2(width) times.
template <class Word>
HWY_INLINE void transpose_square(const Word *x, size_t pitch, Word *out) {
  constexpr size_t width = 16 / sizeof(Word);
  const hn::FixedTag<Word, width> d;
  hn::Vec<decltype(d)> rows[width], next[width];
  for (size_t i = 0; i < width; ++i) rows[i] = hn::LoadU(d, x + i * pitch);
  for (size_t step = 1; step < width; step *= 2) {
    for (size_t i = 0; i < width / 2; ++i) {
      next[2 * i] = hn::InterleaveLower(d, rows[i], rows[i + width / 2]);
      next[2 * i + 1] = hn::InterleaveUpper(d, rows[i], rows[i + width / 2]);
    }
    for (size_t i = 0; i < width; ++i) rows[i] = next[i];
  }
  for (size_t j = 0; j < width; ++j) hn::StoreU(rows[j], d, out + j * tile);
}

template <class Word>
void transpose_tile(const Word *x, size_t pitch, Word (&out)[tile][tile]) {
  constexpr size_t width = 16 / sizeof(Word);
  for (size_t i = 0; i < tile; i += width)
    for (size_t j = 0; j < tile; j += width) transpose_square(x + i * pitch + j, pitch, &out[j][i]);
}
#endif

template <class T>
void copy_transpose(KERNEL_ARGS) {
  (void)scratch;
  using Word = hwy::UnsignedFromSize<sizeof(T)>;
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const Word *>(buffers[0]);
  auto *y = static_cast<Word *>(buffers[1]);
  const size_t across = (p.I + tile - 1) / tile, down = (p.J + tile - 1) / tile;
  alignas(64) Word transposed[tile][tile];
  alignas(64) Word padded[tile][tile] = {};

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t i = cell % across * tile, j = cell / across % down * tile, o = cell / across / down;
    const size_t o3 = o % p.d3, o2 = o / p.d3 % p.d2, o1 = o / p.d3 / p.d2 % p.d1, o0 = o / p.d3 / p.d2 / p.d1;
    const Word *from = x + o0 * p.x0 + o1 * p.x1 + o2 * p.x2 + o3 * p.x3 + i * p.xRow + j;
    Word *to = y + o0 * p.y0 + o1 * p.y1 + o2 * p.y2 + o3 * p.y3 + j * p.yRow + i;
    const size_t rows = std::min<size_t>(tile, p.I - i), columns = std::min<size_t>(tile, p.J - j);

    if (rows == tile && columns == tile) {
      transpose_tile(from, p.xRow, transposed);
      for (size_t c = 0; c < tile; ++c) std::memcpy(to + c * p.yRow, transposed[c], sizeof transposed[c]);
    } else {
      for (size_t r = 0; r < rows; ++r) std::memcpy(padded[r], from + r * p.xRow, columns * sizeof(Word));
      transpose_tile(padded[0], tile, transposed);
      for (size_t c = 0; c < columns; ++c) std::memcpy(to + c * p.yRow, transposed[c], rows * sizeof(Word));
    }
  }
}

KERNEL_TARGETS(copy_transpose)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(copy_transpose)
#endif
