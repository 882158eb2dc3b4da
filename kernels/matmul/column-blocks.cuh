// Sums over the rows of a [T,N] buffer by blocks of rows, each of which leaves a line of scratch; the join adds the lines.
// Launches: columnBlocks in column-blocks.ts, which has the same numbers.
#pragma once
#include "../common/cuda/gemm-tile.cuh"
#include "../common/cuda/kernel.cuh"

// Threads side by side, each with 16 bytes of a row, and one below the other.
constexpr uint32_t COLUMN_THREADS = 256, COLUMN_ACROSS = 16, COLUMN_DOWN = COLUMN_THREADS / COLUMN_ACROSS;

// lines[block][n] = what add(t, n, count, sums) adds for the rows t of block blockIdx.y, CHUNK columns from n on, of which
// `count` are there. Nothing is kept where `lines` is null.
template <class V, class Add>
__device__ void sum_column_block(uint32_t T, uint32_t N, float *lines, const Add &add) {
  constexpr uint32_t WIDTH = COLUMN_ACROSS * CHUNK<V>;
  __shared__ float partial[COLUMN_DOWN][WIDTH];
  const uint32_t across = threadIdx.x % COLUMN_ACROSS, down = threadIdx.x / COLUMN_ACROSS;
  const uint32_t column0 = blockIdx.x * WIDTH, n = column0 + across * CHUNK<V>;
  const uint32_t count = n >= N ? 0 : N - n < CHUNK<V> ? N - n : CHUNK<V>;
  const uint32_t share = (T + gridDim.y - 1) / gridDim.y, first = blockIdx.y * share;
  const uint32_t last = first + share < T ? first + share : T;

  float sums[CHUNK<V>] = {};
  if (count > 0) {
#pragma unroll 2
    for (uint32_t t = first + down; t < last; t += COLUMN_DOWN) add(t, n, count, sums);
  }
  if (!lines) return;
#pragma unroll
  for (uint32_t i = 0; i < CHUNK<V>; ++i) partial[down][across * CHUNK<V> + i] = sums[i];
  __syncthreads();
  if (threadIdx.x >= WIDTH || column0 + threadIdx.x >= N) return;
  float sum = 0.0f;
#pragma unroll
  for (uint32_t i = 0; i < COLUMN_DOWN; ++i) sum += partial[i][threadIdx.x];
  lines[size_t{blockIdx.y} * N + column0 + threadIdx.x] = sum;
}

// Blocks of rows: as many as the first launch's grid has.
__device__ inline uint32_t column_blocks(uint32_t T) {
  const uint32_t blocks = (T + 63) / 64;
  return blocks < 256 ? blocks : 256;
}

// dbias[n] (+)= the sum of lines[b][n] over all blocks b.
template <class V>
__device__ void join_column_blocks(const float *lines, uint32_t T, uint32_t N, bool accumulate, V *dbias) {
  const uint32_t n = blockIdx.x * COLUMN_THREADS + threadIdx.x, blocks = column_blocks(T);
  if (n >= N) return;
  float sum = accumulate ? to_float(dbias[n]) : 0.0f;
#pragma unroll 8
  for (uint32_t b = 0; b < blocks; ++b) sum += lines[size_t{b} * N + n];
  dbias[n] = from_float<V>(sum);
}
