// ceiling/matrix-multiply-add (cuda)
// Math      y[b] = steps times left right, a product added at a time
// Shapes    left [64,16], right [16,32], y [B,64,32] f32
// Method    the tensor cores and nothing else, by mma.sync as all products here use them: operands and sums stay in registers;
//           operands are any numbers, since a GPU multiplies zeros and constants at higher clocks
// Tiling    a warp owns the 64 × 32 sums of one b, 4 × 4 tiles of 16 × 8, so that 16 multiplications are under way
// Launch    grid (ceil(B / 8)), 256 threads
// Numerics  f32 sums
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/mma.cuh"

struct Params {
  uint32_t B, steps;
};

constexpr unsigned int M = 64, N = 32, K = 16;
constexpr unsigned int TILES_M = M / 16, TILES_N = N / 8, WARPS = 8;

// The bits of two values as the tensor cores take them, the first in the low half.
template <class V>
__device__ uint32_t two(V low, V high) {
  return uint32_t{low.bits} | uint32_t{high.bits} << 16;
}

template <class V>
__device__ void multiply_add(const V *left, const V *right, float *y, const Params &p) {
  const unsigned int b = blockIdx.x * WARPS + threadIdx.x / 32;
  if (b >= p.B) return;
  const unsigned int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  uint32_t rows[TILES_M][4], columns[TILES_N][2];
#pragma unroll
  for (unsigned int i = 0; i < TILES_M; ++i)
#pragma unroll
    for (unsigned int r = 0; r < 4; ++r) {
      const V *at = left + (16 * i + g + r % 2 * 8) * K + 2 * t + r / 2 * 8;
      rows[i][r] = two(at[0], at[1]);
    }
#pragma unroll
  for (unsigned int j = 0; j < TILES_N; ++j)
#pragma unroll
    for (unsigned int r = 0; r < 2; ++r) {
      const V *at = right + (2 * t + r * 8) * N + 8 * j + g;
      columns[j][r] = two(at[0], at[N]);
    }
  float sums[TILES_M][TILES_N][4] = {};
#pragma unroll 2
  for (uint32_t step = 0; step < p.steps; ++step)
#pragma unroll
    for (unsigned int i = 0; i < TILES_M; ++i)
#pragma unroll
      for (unsigned int j = 0; j < TILES_N; ++j) mma_m16n8k16(sums[i][j], rows[i], columns[j], V{});
#pragma unroll
  for (unsigned int i = 0; i < TILES_M; ++i)
#pragma unroll
    for (unsigned int j = 0; j < TILES_N; ++j)
#pragma unroll
      for (unsigned int r = 0; r < 4; ++r)
        y[(size_t{b} * M + 16 * i + g + r / 2 * 8) * N + 8 * j + 2 * t + r % 2] = sums[i][j][r];
}

#define CEILING_MATRIX_MULTIPLY_ADD(V)                                                     \
  extern "C" __global__ void __launch_bounds__(32 * WARPS)                                 \
      ceiling_matrix_multiply_add_##V(const Value_##V *__restrict__ left,  /* [64,16] */   \
                                      const Value_##V *__restrict__ right, /* [16,32] */   \
                                      float *__restrict__ y,               /* [B,64,32] */ \
                                      const Params p) {                                    \
    multiply_add(left, right, y, p);                                                       \
  }
FOR_HALVES(CEILING_MATRIX_MULTIPLY_ADD)
