// Few rows times a quantised matrix, bound by the bytes of the weights
// Math      c[i,n] = Σ_k x[i,k] scale[n, k / group] q[n,k]
// Method    a warp has COLUMNS rows of the matrix, each of whose words a lane reads once, AHEAD at a time, for up to ROWS
//           rows of x, which come from the L1 cache. Lanes are joined at the end.
// Numerics  f32; sums of words modulo 32 apart, then joined
#pragma once
#include "../common/cuda/reduce.cuh"
#include "weight.cuh"

constexpr uint32_t FEW_WARPS = 4;

template <uint32_t ROWS>
constexpr uint32_t FEW_COLUMNS = ROWS < 8 ? 2 : 4;

// The sums of rows x_at(0) ... x_at(ROWS - 1), of which `rows` are there, and of columns `column` on: element (i, j) to
// lane i COLUMNS + j, which hands it to `store(i, j, sum)`.
template <class V, uint32_t BITS, uint32_t ROWS, class RowAt, class Store>
__device__ inline void multiply_few(const QuantizedMatrix<BITS> &w, uint32_t column, uint32_t rows, RowAt x_at,
                                    Store store) {
  constexpr uint32_t COLUMNS = FEW_COLUMNS<ROWS>, AHEAD = 8 / COLUMNS, PER = PER_WORD<BITS>;
  static_assert(ROWS * COLUMNS <= WARP, "a lane for each sum");
  const uint32_t lane = threadIdx.x % WARP, words = w.K / PER;
  const uint32_t *matrix[COLUMNS];
  const V *x[ROWS];
#pragma unroll
  for (uint32_t j = 0; j < COLUMNS; ++j) matrix[j] = w.row(min(column + j, w.N - 1));
#pragma unroll
  for (uint32_t i = 0; i < ROWS; ++i) x[i] = x_at(min(i, rows - 1));

  float sums[ROWS][COLUMNS] = {};
  for (uint32_t first = lane; first < words; first += AHEAD * WARP) {
    uint32_t ahead[AHEAD][COLUMNS];
#pragma unroll
    for (uint32_t u = 0; u < AHEAD; ++u) {
#pragma unroll
      for (uint32_t j = 0; j < COLUMNS; ++j) {
        const uint32_t at = first + u * WARP;
        ahead[u][j] = at < words ? matrix[j][at] : 0;
      }
    }
#pragma unroll
    for (uint32_t u = 0; u < AHEAD; ++u) {
      const uint32_t at = first + u * WARP, k = at * PER;
      if (at >= words) break;
      float q[COLUMNS][PER];
#pragma unroll
      for (uint32_t j = 0; j < COLUMNS; ++j) widen<BITS>(ahead[u][j], w.scale(matrix[j], k), q[j]);
#pragma unroll
      for (uint32_t i = 0; i < ROWS; ++i) {
        const auto values = *reinterpret_cast<const Vector<V, PER> *>(x[i] + k);
#pragma unroll
        for (uint32_t e = 0; e < PER; ++e) {
#pragma unroll
          for (uint32_t j = 0; j < COLUMNS; ++j) sums[i][j] = fmaf(to_float(values.values[e]), q[j][e], sums[i][j]);
        }
      }
    }
  }
#pragma unroll
  for (uint32_t i = 0; i < ROWS; ++i) {
#pragma unroll
    for (uint32_t j = 0; j < COLUMNS; ++j) {
      const float sum = lane_sum<WARP>(sums[i][j]);
      if (lane == i * COLUMNS + j && i < rows && column + j < w.N) store(i, j, sum);
    }
  }
}
