// In which order blocks take the tiles of a product: down groups of 8 tiles first, then across, so that those that run side by side
// share rows and columns in the L2 cache.
#pragma once
#include <cstdint>

struct TilePlace {
  uint32_t down, across;
};

__device__ inline TilePlace tile_place(uint32_t number, uint32_t down, uint32_t across) {
  constexpr uint32_t GROUP = 8;
  const uint32_t group = number / (GROUP * across), first = group * GROUP, in_group = number - first * across;
  const uint32_t height = down - first < GROUP ? down - first : GROUP;
  return {first + in_group % height, in_group / height};
}
