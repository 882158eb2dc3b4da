// Products of f32 tiles in shared memory by 256 threads, 16 × 16. A thread has PER × PER elements of a product of TILE rows
// each, or PER rows of WIDTH / 16 columns. Rows are WIDTH values and four, so that rows side by side lie in different banks.
#pragma once
#include "../common/cuda/kernel.cuh"
#include "problem.cuh"

constexpr uint32_t PLAIN_THREADS = 256, SIDE = 16;

template <uint32_t TILE_, uint32_t WIDTH>
struct Plain {
  static constexpr uint32_t TILE = TILE_, PER = TILE / SIDE, PITCH = WIDTH + 4, WEIGHT_PITCH = TILE + 4,
                            SPANS = WIDTH / (4 * SIDE), SIZE = TILE * PITCH;
  // Elements [row][span][4]: column 64 span + 4 x + 0..3.
  using Columns = float[PER][SPANS][4];
  using Square = float[PER][PER];

  // Rows y + 16 i of a left tile and x + 16 j of a right one; columns 64 span + 4 x.
  static __device__ uint32_t x() { return threadIdx.x % SIDE; }
  static __device__ uint32_t y() { return threadIdx.x / SIDE; }

  // Copies rows of D values, zeros past D and where `row_at(r)` is null.
  template <class RowAt>
  static __device__ void load(float *tile, uint32_t D, RowAt row_at) {
    for (uint32_t n = threadIdx.x; n < TILE * WIDTH; n += PLAIN_THREADS) {
      const uint32_t r = n / WIDTH, c = n % WIDTH;
      const float *row = row_at(r);
      tile[r * PITCH + c] = row != nullptr && c < D ? row[c] : 0.0f;
    }
  }

  // products[i][j] = left row y + 16 i · right row x + 16 j
  static __device__ void multiply_rows(Square &products, const float *left, const float *right, uint32_t D) {
#pragma unroll
    for (uint32_t i = 0; i < PER; ++i) {
#pragma unroll
      for (uint32_t j = 0; j < PER; ++j) products[i][j] = 0.0f;
    }
    for (uint32_t d = 0; d < D; d += 4) {
      float4 a[PER], b[PER];
#pragma unroll
      for (uint32_t i = 0; i < PER; ++i) {
        a[i] = *reinterpret_cast<const float4 *>(left + (y() + SIDE * i) * PITCH + d);
        b[i] = *reinterpret_cast<const float4 *>(right + (x() + SIDE * i) * PITCH + d);
      }
#pragma unroll
      for (uint32_t i = 0; i < PER; ++i) {
#pragma unroll
        for (uint32_t j = 0; j < PER; ++j) {
          float sum = fmaf(a[i].x, b[j].x, products[i][j]);
          sum = fmaf(a[i].y, b[j].y, sum);
          sum = fmaf(a[i].z, b[j].z, sum);
          products[i][j] = fmaf(a[i].w, b[j].w, sum);
        }
      }
    }
  }

  static __device__ void put(float *weights, const Square &from) {
#pragma unroll
    for (uint32_t i = 0; i < PER; ++i) {
#pragma unroll
      for (uint32_t j = 0; j < PER; ++j) weights[(y() + SIDE * i) * WEIGHT_PITCH + x() + SIDE * j] = from[i][j];
    }
  }

  // sums[row y + 16 i] += Σ_n weights[y + 16 i][n] right[n]
  static __device__ void multiply_columns(Columns &sums, const float *weights, const float *right, uint32_t D) {
#pragma unroll 4
    for (uint32_t n = 0; n < TILE; ++n) {
      float w[PER];
#pragma unroll
      for (uint32_t i = 0; i < PER; ++i) w[i] = weights[(y() + SIDE * i) * WEIGHT_PITCH + n];
      add(sums, w, right + n * PITCH, D);
    }
  }

  // sums[row PER y + i] += Σ_n weights[n][PER y + i] right[n]
  static __device__ void multiply_transposed(Columns &sums, const float *weights, const float *right, uint32_t D) {
#pragma unroll 4
    for (uint32_t n = 0; n < TILE; ++n) {
      float w[PER];
#pragma unroll
      for (uint32_t i = 0; i < PER; ++i) w[i] = weights[n * WEIGHT_PITCH + PER * y() + i];
      add(sums, w, right + n * PITCH, D);
    }
  }

  static __device__ void add(Columns &sums, const float (&w)[PER], const float *row, uint32_t D) {
#pragma unroll
    for (uint32_t span = 0; span < SPANS; ++span) {
      const uint32_t column = 4 * SIDE * span + 4 * x();
      if (column >= D) continue;
      const float4 b = *reinterpret_cast<const float4 *>(row + column);
#pragma unroll
      for (uint32_t i = 0; i < PER; ++i) {
        sums[i][span][0] = fmaf(w[i], b.x, sums[i][span][0]);
        sums[i][span][1] = fmaf(w[i], b.y, sums[i][span][1]);
        sums[i][span][2] = fmaf(w[i], b.z, sums[i][span][2]);
        sums[i][span][3] = fmaf(w[i], b.w, sums[i][span][3]);
      }
    }
  }

  // A thread's part of one row.
  static __device__ void store(float *row, const float (&sums)[SPANS][4], float factor, uint32_t D) {
#pragma unroll
    for (uint32_t span = 0; span < SPANS; ++span) {
#pragma unroll
      for (uint32_t c = 0; c < 4; ++c) {
        const uint32_t column = 4 * SIDE * span + 4 * x() + c;
        if (column < D) row[column] = sums[span][c] * factor;
      }
    }
  }
};

// 0 where dropout leaves an element out, else 1 / (1 - p).
__device__ inline float survival(const Params &p, const uint32_t *random, uint32_t position, float keep) {
  return survives(random_word(position, p.sequence, random), p.dropout) ? keep : 0.0f;
}
