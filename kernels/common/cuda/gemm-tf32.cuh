// What a warp does with a stage of f32 where products may round their operands to tf32: m16n8k8 on the tensor cores. A
// piece is 8 k.
#pragma once
#include "gemm-tile.cuh"
#include "mma.cuh"

template <class T, bool LEFT_ALONG_K_, bool RIGHT_ALONG_K_>
struct Tf32Math {
  static constexpr bool LEFT_ALONG_K = LEFT_ALONG_K_, RIGHT_ALONG_K = RIGHT_ALONG_K_;
  static constexpr uint32_t DOWN = T::WARP_ROWS / 16, ACROSS = T::WARP_COLUMNS / 8, PIECES = 2, UNROLL = PIECES;

  float sums[DOWN][ACROSS][4] = {};

  __device__ void begin(const unsigned char *, const unsigned char *) {}

  __device__ void piece(uint32_t piece, const unsigned char *left_now, const unsigned char *right_now,
                        const unsigned char *, const unsigned char *) {
    const uint32_t g = threadIdx.x % 32 / 4, k = 8 * piece + threadIdx.x % 4;
    uint32_t right[ACROSS][2];
#pragma unroll
    for (uint32_t j = 0; j < ACROSS; ++j) {
      const uint32_t column = T::warp_column() + 8 * j + g;
#pragma unroll
      for (uint32_t part = 0; part < 2; ++part)
        right[j][part] = value<RIGHT_ALONG_K, T::COLUMNS>(right_now, column, k + 4 * part);
    }
#pragma unroll
    for (uint32_t i = 0; i < DOWN; ++i) {
      uint32_t left[4];
#pragma unroll
      for (uint32_t part = 0; part < 4; ++part)
        left[part] =
            value<LEFT_ALONG_K, T::ROWS>(left_now, T::warp_row() + 16 * i + g + part % 2 * 8, k + part / 2 * 4);
#pragma unroll
      for (uint32_t j = 0; j < ACROSS; ++j) mma_m16n8k8_tf32(sums[i][j], left, right[j]);
    }
  }

  __device__ void put(float *slab, uint32_t pitch, uint32_t s) const {
    const uint32_t row = threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
#pragma unroll
    for (uint32_t i = 0; i < DOWN; ++i) {  // registers have no index
      if (i != s) continue;
#pragma unroll
      for (uint32_t j = 0; j < ACROSS; ++j) {
        float *to = slab + row * pitch + 8 * j + column;
        *reinterpret_cast<float2 *>(to) = make_float2(sums[i][j][0], sums[i][j][1]);
        *reinterpret_cast<float2 *>(to + 8 * pitch) = make_float2(sums[i][j][2], sums[i][j][3]);
      }
    }
  }

 private:
  template <bool ALONG_K, uint32_t ITEMS>
  __device__ static uint32_t value(const unsigned char *memory, uint32_t item, uint32_t k) {
    const uint32_t line = ALONG_K ? item : k, at = ALONG_K ? k : item;
    const unsigned char *chunk = memory + chunk_place<T, ALONG_K, ITEMS>(line, at / 4);
    return to_tf32(*reinterpret_cast<const float *>(chunk + at % 4 * 4));
  }
};
