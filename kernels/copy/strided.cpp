// copy/strided (cpu)
// Math      y[yOffset + Σ ik yk] = x[xOffset + Σ ik xk]
// Shapes    i runs over [d0..d5]; x and y are read and written through strides, elements of y outside are left alone
// Method    rows of the innermost dimension: memcpy, a fill where x does not move, else a loop
// Launch    one cell per element; a chunk may begin and end inside a row
#include <algorithm>
#include <cstring>

#include "kernels/common/cpu/odometer.h"
#include "kernels/copy/words.h"

namespace consilium {
namespace {

struct Params {
  uint32_t n, d0, d1, d2, d3, d4, d5, x0, x1, x2, x3, x4, x5, y0, y1, y2, y3, y4, y5, xOffset, yOffset;
};

template <class Word>
void copy_strided(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const Word *>(buffers[0]) + p.xOffset;
  auto *y = static_cast<Word *>(buffers[1]) + p.yOffset;
  const Grid grid{
      {p.d0, p.d1, p.d2, p.d3, p.d4, p.d5}, {p.x0, p.x1, p.x2, p.x3, p.x4, p.x5}, {p.y0, p.y1, p.y2, p.y3, p.y4, p.y5}};
  const size_t xs = p.x5, ys = p.y5;
  if (xs == 1 && ys == 1)
    for_rows(grid, begin, end,
             [=](size_t, size_t count, size_t ix, size_t iy) { std::memcpy(y + iy, x + ix, count * sizeof(Word)); });
  else if (xs == 0 && ys == 1)
    for_rows(grid, begin, end, [=](size_t, size_t count, size_t ix, size_t iy) { std::fill_n(y + iy, count, x[ix]); });
  else
    for_rows(grid, begin, end, [=](size_t, size_t count, size_t ix, size_t iy) {
      for (size_t i = 0; i < count; ++i) y[iy + i * ys] = x[ix + i * xs];
    });
}

}  // namespace
COPY_REGISTER(copy_strided)
}  // namespace consilium
