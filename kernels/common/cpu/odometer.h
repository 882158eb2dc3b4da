// Walks the rows of a six-dimensional grid whose elements are numbered row-major, two operands following by strides.
#pragma once
#include <cstddef>
#include <cstdint>

namespace consilium {

// Outermost dimension first; strides in elements.
struct Grid {
  uint32_t size[6], a[6], b[6];
};

// Calls f(element, count, offset of a, offset of b) for each run of elements along the innermost dimension that
// [begin, end) covers; the first and the last may be parts of a row.
template <class F>
inline __attribute__((always_inline)) void for_rows(const Grid &grid, size_t begin, size_t end, F f) {
  if (begin >= end) return;
  const size_t width = grid.size[5];
  size_t index[5], ia = 0, ib = 0;
  size_t rest = begin / width;
  size_t column = begin % width;
  for (int k = 4; k >= 0; --k) {
    index[k] = rest % grid.size[k];
    rest /= grid.size[k];
    ia += index[k] * grid.a[k];
    ib += index[k] * grid.b[k];
  }
  for (size_t i = begin; i < end;) {
    const size_t count = width - column < end - i ? width - column : end - i;
    f(i, count, ia + column * grid.a[5], ib + column * grid.b[5]);
    i += count;
    column = 0;
    for (int k = 4; k >= 0; --k) {
      ia += grid.a[k];
      ib += grid.b[k];
      if (++index[k] < grid.size[k]) break;
      ia -= index[k] * grid.a[k];
      ib -= index[k] * grid.b[k];
      index[k] = 0;
    }
  }
}

}  // namespace consilium
