// copy/transpose (cpu)
// Math      y[o + j yRow + i] = x[o + i xRow + j]
// Shapes    i < I, j < J; the offsets o run over [d0..d3], each with a stride in x and one in y
// Method    tiles of 32 x 32 words: rows of x into a buffer, columns of the buffer into rows of y, so that both sides
//           move whole cache lines and rows a power of two apart do not push each other out of the cache
// Tiling    a cell owns a tile; tiles run over i first, then j, then o
// Launch    one cell per tile
#include <algorithm>
#include <cstring>

#include "kernels/copy/words.h"

namespace consilium {
namespace {

constexpr size_t tile = 32;

struct Params {
  uint32_t d0, d1, d2, d3, x0, x1, x2, x3, y0, y1, y2, y3, I, J, xRow, yRow;
};

template <class Word>
void copy_transpose(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const Word *>(buffers[0]);
  auto *y = static_cast<Word *>(buffers[1]);
  const size_t across = (p.I + tile - 1) / tile, down = (p.J + tile - 1) / tile;

  for (size_t cell = begin; cell < end; ++cell) {
    const size_t i0 = cell % across * tile, j0 = cell / across % down * tile;
    size_t o = cell / across / down;
    const size_t i3 = o % p.d3, i2 = (o /= p.d3) % p.d2, i1 = (o /= p.d2) % p.d1, i_0 = o / p.d1;
    const Word *from = x + i_0 * p.x0 + i1 * p.x1 + i2 * p.x2 + i3 * p.x3 + i0 * p.xRow + j0;
    Word *to = y + i_0 * p.y0 + i1 * p.y1 + i2 * p.y2 + i3 * p.y3 + j0 * p.yRow + i0;
    const size_t rows = std::min<size_t>(tile, p.I - i0), columns = std::min<size_t>(tile, p.J - j0);

    Word buffer[tile][tile];
    if (rows == tile && columns == tile) {
      for (size_t i = 0; i < tile; ++i) std::memcpy(buffer[i], from + i * p.xRow, sizeof buffer[i]);
      for (size_t j = 0; j < tile; ++j)
        for (size_t i = 0; i < tile; ++i) to[j * p.yRow + i] = buffer[i][j];
    } else {
      for (size_t i = 0; i < rows; ++i) std::memcpy(buffer[i], from + i * p.xRow, columns * sizeof(Word));
      for (size_t j = 0; j < columns; ++j)
        for (size_t i = 0; i < rows; ++i) to[j * p.yRow + i] = buffer[i][j];
    }
  }
}

}  // namespace
COPY_REGISTER(copy_transpose)
}  // namespace consilium
