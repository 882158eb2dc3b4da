// Blocks that work down columns of a matrix: `width` neighbouring columns, a power of two up to 32, by rows of threads.
#pragma once
#include <cstdint>

// Of I columns. Also in grid.ts.
__device__ inline uint32_t column_width(uint32_t I) {
  uint32_t width = 1;
  while (width < 32 && width < I) width *= 2;
  return width;
}
