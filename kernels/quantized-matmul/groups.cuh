// Which rows a block has, where rows belong to experts: those of each are cut into pieces, numbered expert after expert;
// behind them come pieces of the rows that no expert has. Without lists all rows belong to the one matrix.
#pragma once
#include <cstdint>

#include "../common/cuda/shuffle.cuh"

struct Piece {
  uint32_t expert, begin, end;  // expert E: rows that no expert has
};

// Row `offsets[i]`, within R whatever the list holds.
__device__ inline uint32_t row_at(const int32_t *offsets, uint32_t R, uint32_t i) {
  return static_cast<uint32_t>(min(max(offsets[i], 0), static_cast<int32_t>(R)));
}

// Piece `number` of SIZE rows. A warp's threads ask together, for 32 experts at a time.
template <uint32_t SIZE>
__device__ inline Piece find_piece(const int32_t *offsets, uint32_t E, uint32_t R, uint32_t number) {
  if (offsets == nullptr) return {0, number * SIZE, min(R, (number + 1) * SIZE)};
  const uint32_t lane = threadIdx.x % WARP;
  for (uint32_t first = 0; first <= E; first += WARP) {
    const uint32_t e = first + lane;
    const uint32_t begin = e <= E ? row_at(offsets, R, e) : R;
    const uint32_t end = e < E ? max(begin, row_at(offsets, R, e + 1)) : R;
    const uint32_t own = (end - begin + SIZE - 1) / SIZE;
    uint32_t upto = own;
    for (uint32_t step = 1; step < WARP; step *= 2) {
      const uint32_t below = __shfl_up_sync(ALL_LANES, upto, step);
      if (lane >= step) upto += below;
    }
    const uint32_t found = __ballot_sync(ALL_LANES, number < upto);
    if (found != 0) {
      const int at = __ffs(static_cast<int>(found)) - 1;
      const uint32_t piece = number - __shfl_sync(ALL_LANES, upto - own, at);
      const uint32_t from = __shfl_sync(ALL_LANES, begin, at) + piece * SIZE, to = __shfl_sync(ALL_LANES, end, at);
      return {first + static_cast<uint32_t>(at), from, min(to, from + SIZE)};
    }
    number -= __shfl_sync(ALL_LANES, upto, WARP - 1);
  }
  return {E, R, R};
}
