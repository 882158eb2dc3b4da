// copy/transpose (cuda)
// Math      y[o + j yRow + i] = x[o + i xRow + j]
// Shapes    i < I, j < J; the offsets o run over [d0..d3], each with a stride in x and one in y
// Method    tiles of 32 x 32 words of 4 bytes, or 64 x 64 of 2, through shared memory: rows of x are read, rows of y
//           written, 128 bytes each. A column of the tile lies in 32 banks, since its rows are 132 bytes apart.
// Tiling    a block owns a tile; tiles run over i first, then j, then o
// Launch    grid (tiles), 32 x 8 threads
// Numerics  moves bits
#include "../common/cuda/words.cuh"

struct Params {
  uint32_t d0, d1, d2, d3, x0, x1, x2, x3, y0, y1, y2, y3, I, J, xRow, yRow;
};

// The block; tiles are 128 bytes wide. Also in kernels.ts.
constexpr uint32_t LANES = 32, WARPS = 8, THREADS = LANES * WARPS;

template <class Word>
__device__ void transpose(const Word *x, Word *y, const Params &p) {
  constexpr uint32_t TILE = 128 / sizeof(Word), PITCH = 132 / sizeof(Word);
  __shared__ Word tile[TILE * PITCH];
  const uint32_t across = (p.I + TILE - 1) / TILE, down = (p.J + TILE - 1) / TILE;
  const uint32_t cell = blockIdx.x / across, o = cell / down;
  const uint32_t i = (blockIdx.x - cell * across) * TILE, j = (cell - o * down) * TILE;
  const uint32_t o3 = o % p.d3, o2 = o / p.d3 % p.d2, o1 = o / p.d3 / p.d2 % p.d1, o0 = o / p.d3 / p.d2 / p.d1;
  x += size_t{o0} * p.x0 + size_t{o1} * p.x1 + size_t{o2} * p.x2 + size_t{o3} * p.x3 + size_t{i} * p.xRow + j;
  y += size_t{o0} * p.y0 + size_t{o1} * p.y1 + size_t{o2} * p.y2 + size_t{o3} * p.y3 + size_t{j} * p.yRow + i;
  const uint32_t rows = min(TILE, p.I - i), columns = min(TILE, p.J - j);

#pragma unroll
  for (uint32_t row = threadIdx.y; row < TILE; row += WARPS) {
#pragma unroll
    for (uint32_t column = threadIdx.x; column < TILE; column += LANES)
      if (row < rows && column < columns) tile[row * PITCH + column] = x[size_t{row} * p.xRow + column];
  }
  __syncthreads();
#pragma unroll
  for (uint32_t column = threadIdx.y; column < TILE; column += WARPS) {
#pragma unroll
    for (uint32_t row = threadIdx.x; row < TILE; row += LANES)
      if (row < rows && column < columns) y[size_t{column} * p.yRow + row] = tile[row * PITCH + column];
  }
}

#define COPY_TRANSPOSE(V)                                              \
  extern "C" __global__ void __launch_bounds__(THREADS)                \
      copy_transpose_##V(const Word_##V *__restrict__ x, /* strided */ \
                         Word_##V *__restrict__ y,       /* strided */ \
                         const Params p) {                             \
    transpose(x, y, p);                                                \
  }
FOR_FLOATS(COPY_TRANSPOSE)
