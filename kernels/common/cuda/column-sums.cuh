// Sums over the rows of a [T,C] buffer, such as the gradients of a weight: rows are split by shape into blocks, each of which
// adds up a line of scratch; the join adds the lines, in an order that depends on T alone. Launches: `columnSums` in
// column-sums.ts.
#pragma once
#include "kernel.cuh"

// Threads of a block, side by side and one below the other; columns of a thread. Also in column-sums.ts.
constexpr unsigned int SUM_COLUMNS = 32, SUM_ROWS = 8, SUM_WIDTH = 4;
constexpr unsigned int JOIN_ROWS = 32;

// Lines of scratch.
__device__ inline uint32_t line_count(uint32_t T) {
  const uint32_t blocks = (T + 63) / 64;
  return blocks < 256 ? blocks : 256;
}

// lines[b][s][c] = the s-th sum over the rows of block b = blockIdx.y. add(t, c, sums) adds the terms of row t and column
// c + k to sums[k], through load(row, c), which gives the SUM_WIDTH values from column c on.
template <unsigned int SUMS, class Add>
__device__ void sum_rows(uint32_t T, uint32_t C, float *lines, Add add) {
  __shared__ float partial[SUM_ROWS][SUMS][SUM_WIDTH][SUM_COLUMNS];
  const uint32_t column = threadIdx.x % SUM_COLUMNS, lane = threadIdx.x / SUM_COLUMNS;
  const uint32_t c = (blockIdx.x * SUM_COLUMNS + column) * SUM_WIDTH;
  const uint32_t share = (T + gridDim.y - 1) / gridDim.y;
  const uint32_t first = blockIdx.y * share, last = first + share < T ? first + share : T;

  float sums[SUMS][SUM_WIDTH] = {};
  if (c < C) {
#pragma unroll 4
    for (uint32_t t = first + lane; t < last; t += SUM_ROWS) add(t, c, sums);
  }
#pragma unroll
  for (unsigned int s = 0; s < SUMS; ++s)
#pragma unroll
    for (unsigned int k = 0; k < SUM_WIDTH; ++k) partial[lane][s][k][column] = sums[s][k];
  __syncthreads();
  // A thread for each sum and column of the block, in turn.
  for (uint32_t i = threadIdx.x; i < SUMS * SUM_WIDTH * SUM_COLUMNS; i += SUM_COLUMNS * SUM_ROWS) {
    const uint32_t s = i / (SUM_WIDTH * SUM_COLUMNS), at = i % (SUM_WIDTH * SUM_COLUMNS);
    const uint32_t to = blockIdx.x * SUM_COLUMNS * SUM_WIDTH + at;
    if (to >= C) continue;
    float sum = 0.0f;
#pragma unroll
    for (unsigned int row = 0; row < SUM_ROWS; ++row) sum += partial[row][s][at % SUM_WIDTH][at / SUM_WIDTH];
    lines[(size_t{blockIdx.y} * SUMS + s) * C + to] = sum;
  }
}

// The values from column c on of a row of C; zero past its end.
template <class V>
__device__ inline Vector<V, SUM_WIDTH> load_columns(const V *row, uint32_t c, uint32_t C) {
  if (C % SUM_WIDTH == 0) return *reinterpret_cast<const Vector<V, SUM_WIDTH> *>(row + c);
  Vector<V, SUM_WIDTH> vector = {};
#pragma unroll
  for (unsigned int k = 0; k < SUM_WIDTH; ++k)
    if (c + k < C) vector.values[k] = row[c + k];
  return vector;
}

// out[c] = the sum of lines[b * pitch + c] over all lines b.
template <class V>
__device__ void join_lines(const float *lines, size_t pitch, uint32_t T, uint32_t C, V *out) {
  __shared__ float partial[JOIN_ROWS][SUM_COLUMNS];
  const uint32_t column = threadIdx.x % SUM_COLUMNS, lane = threadIdx.x / SUM_COLUMNS;
  const uint32_t c = blockIdx.x * SUM_COLUMNS + column;
  float sum = 0.0f;
  if (c < C)
    for (uint32_t line = lane; line < line_count(T); line += JOIN_ROWS) sum += lines[line * pitch + c];
  __syncthreads();  // an earlier call's sums have been read
  partial[lane][column] = sum;
  __syncthreads();
  if (lane > 0 || c >= C) return;
  float total = 0.0f;
  for (unsigned int row = 0; row < JOIN_ROWS; ++row) total += partial[row][column];
  out[c] = from_float<V>(total);
}
