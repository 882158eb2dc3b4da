// What the grouped products share on the GPU: the routing's lists, and the tiles of grouped rows. No table of tiles is kept:
// every block finds its own in the offsets, so that nothing depends on the size of a tile. routedTiles in cuda.ts bounds
// their count; blocks past the last tile have none.
#pragma once
#include "../common/cuda/gemm-operand.cuh"
#include "../common/cuda/gemm-order.cuh"
#include "../common/cuda/gemm-run.cuh"
#include "../common/cuda/gemm-tiles.cuh"
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/routing.cuh"

// The routing's lists, with the rows of each expert.
struct RoutedRows : RoutingLists {
  uint32_t E, R;

  __device__ RoutedRows(const int32_t *lists, uint32_t E, uint32_t R) : RoutingLists(lists, E, R), E(E), R(R) {}

  // Where the rows of expert e begin, those of E being nobody's: within R and in order whatever the list holds.
  __device__ uint32_t begin(uint32_t e) const {
    const int32_t at = offsets[e < E ? e : E];
    return at < 0 ? 0 : static_cast<uint32_t>(at) < R ? static_cast<uint32_t>(at) : R;
  }
  __device__ uint32_t end(uint32_t e) const {
    if (e >= E) return R;
    const uint32_t from = begin(e), to = begin(e + 1);
    return from < to ? to : from;
  }
};

// Rows [row0, rows) of an expert, which begin at grouped row `first`. Expert E has the rows that nobody kept; E + 1 is no
// tile.
struct RowTile {
  uint32_t expert, first, rows, row0;
};

// Every warp finds it by itself: 32 experts at a time, a lane each.
__device__ inline RowTile row_tile(const RoutedRows &lists, uint32_t number, uint32_t side) {
  const uint32_t lane = threadIdx.x % WARP;
  uint32_t before = 0;  // tiles of the experts so far
  for (uint32_t e0 = 0; e0 <= lists.E; e0 += WARP) {
    const uint32_t e = e0 + lane;
    const bool there = e <= lists.E;
    const uint32_t begin = there ? lists.begin(e) : 0, rows = there ? lists.end(e) - begin : 0;
    const uint32_t tiles = (rows + side - 1) / side;
    uint32_t until = tiles;  // of this lane's experts and those before it
    for (uint32_t step = 1; step < WARP; step *= 2) {
      const uint32_t other = __shfl_up_sync(ALL_LANES, until, step);
      if (lane >= step) until += other;
    }
    const uint32_t found = __ballot_sync(ALL_LANES, number < before + until);
    if (found) {
      const int from = __ffs(static_cast<int>(found)) - 1;
      const uint32_t passed = before + __shfl_sync(ALL_LANES, until - tiles, from);
      return {e0 + static_cast<uint32_t>(from), __shfl_sync(ALL_LANES, begin, from), __shfl_sync(ALL_LANES, rows, from),
              (number - passed) * side};
    }
    before += __shfl_sync(ALL_LANES, until, WARP - 1);
  }
  return {lists.E + 1, 0, 0, 0};
}

// The tile of a block in a grid of column tiles by the most row tiles there can be.
template <class T>
struct RoutedTile {
  RowTile rows;
  uint32_t column0;

  __device__ RoutedTile(const RoutedRows &lists, uint32_t columns) {
    const uint32_t across = (columns + T::COLUMNS - 1) / T::COLUMNS;
    const TilePlace place = tile_place(blockIdx.x, gridDim.x / across, across);
    rows = row_tile(lists, place.down, T::ROWS);
    column0 = place.across * T::COLUMNS;
  }
};

// The rows of an expert as an operand, gathered by the routing's order or as they stand: lines of `extent` values.
template <bool ALONG_K, bool WHOLE, class V>
__device__ Matrix<V, ALONG_K, WHOLE, true> expert_rows(const V *data, uint32_t extent, const RoutedRows &lists,
                                                       uint32_t first, uint32_t rows, bool gather, uint32_t choices,
                                                       uint32_t most) {
  const bool aligned = WHOLE || extent % CHUNK<V> == 0;
  return {gather ? data : data + size_t{first} * extent,
          rows,
          extent,
          extent,
          aligned,
          gather ? Rows(lists.order + first, choices, most) : Rows()};
}

// The kernels of a pass for each tile, LARGE the largest: NAME_<variant>_<dtype>, with what is between.
#define GROUPED_KERNELS(DEFINE, LARGE)   \
  DEFINE(large, bf16, LARGE, true)       \
  DEFINE(large, f16, LARGE, true)        \
  DEFINE(medium, f32, MediumTile, true)  \
  DEFINE(medium, bf16, MediumTile, true) \
  DEFINE(medium, f16, MediumTile, true)  \
  DEFINE(small, f32, SmallTile, false)   \
  DEFINE(small, bf16, SmallTile, false)  \
  DEFINE(small, f16, SmallTile, false)   \
  DEFINE(tf32, f32, Tf32TileOf, true)
