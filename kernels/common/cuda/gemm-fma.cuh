// What a warp does with a stage of f32: fused multiply-adds. Lanes are 8 by 4; each has 1/8 of the warp's rows and 1/4 of its
// columns. A piece is 4 k.
#pragma once
#include "gemm-tile.cuh"

template <class T, bool LEFT_ALONG_K_, bool RIGHT_ALONG_K_>
struct FmaMath {
  static constexpr bool LEFT_ALONG_K = LEFT_ALONG_K_, RIGHT_ALONG_K = RIGHT_ALONG_K_;
  static constexpr uint32_t DOWN = T::WARP_ROWS / 8, ACROSS = T::WARP_COLUMNS / 4, PIECES = 4, UNROLL = 1;

  float sums[DOWN][ACROSS] = {};

  __device__ void begin(const unsigned char *, const unsigned char *) {}

  __device__ void piece(uint32_t piece, const unsigned char *left_now, const unsigned char *right_now,
                        const unsigned char *, const unsigned char *) {
    float left[DOWN][4];
    read<LEFT_ALONG_K, 8, T::ROWS>(left, left_now, T::warp_row(), threadIdx.x % 32 / 4, 0, piece);
#pragma unroll
    for (uint32_t j0 = 0; j0 < ACROSS; j0 += 4) {
      float right[4][4];
      read<RIGHT_ALONG_K, 4, T::COLUMNS>(right, right_now, T::warp_column(), threadIdx.x % 4, j0, piece);
#pragma unroll
      for (uint32_t k = 0; k < 4; ++k) {
#pragma unroll
        for (uint32_t i = 0; i < DOWN; ++i) {
#pragma unroll
          for (uint32_t j = 0; j < 4; ++j) sums[i][j0 + j] = fmaf(left[i][k], right[j][k], sums[i][j0 + j]);
        }
      }
    }
  }

  __device__ void put(float *slab, uint32_t pitch, uint32_t s) const {
#pragma unroll
    for (uint32_t i = 0; i < DOWN; ++i) {
      const uint32_t row = item<LEFT_ALONG_K, 8>(i, threadIdx.x % 32 / 4);
      if (row / 16 != s) continue;
#pragma unroll
      for (uint32_t j = 0; j < ACROSS; ++j)
        slab[row % 16 * pitch + item<RIGHT_ALONG_K, 4>(j, threadIdx.x % 4)] = sums[i][j];
    }
  }

 private:
  // Item i of a lane: neighbours have lines that the banks hold apart.
  template <bool ALONG_K, uint32_t LANES>
  __device__ static uint32_t item(uint32_t i, uint32_t lane) {
    return ALONG_K ? lane + LANES * i : 4 * (lane + i / 4 * LANES) + i % 4;
  }

  // Four k of a lane's items from i0 on.
  template <bool ALONG_K, uint32_t LANES, uint32_t ITEMS, uint32_t N>
  __device__ static void read(float (&values)[N][4], const unsigned char *memory, uint32_t first, uint32_t lane,
                              uint32_t i0, uint32_t piece) {
#pragma unroll
    for (uint32_t i = 0; i < N; ++i) {
      const uint32_t line = ALONG_K ? first + item<true, LANES>(i0 + i, lane) : 4 * piece + i % 4;
      const uint32_t chunk = ALONG_K ? piece : first / 4 + lane + (i0 + i) / 4 * LANES;
      const float4 four = *reinterpret_cast<const float4 *>(memory + chunk_place<T, ALONG_K, ITEMS>(line, chunk));
      const float parts[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (uint32_t j = 0; j < 4; ++j) {
        if constexpr (ALONG_K)
          values[i][j] = parts[j];
        else
          values[i / 4 * 4 + j][i % 4] = parts[j];
      }
    }
  }
};
