// Tiles of 16-bit values in shared memory, and the operands that tensor cores read from them. A row is WIDTH values and 16
// bytes: the eight rows of a matrix then lie in different banks.
#pragma once
#include "../common/cuda/cp-async.cuh"
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/ldmatrix.cuh"
#include "../common/cuda/mma.cuh"
#include "../common/cuda/pack.cuh"
#include "problem.cuh"

template <uint32_t WIDTH>
constexpr uint32_t PITCH = WIDTH + 8;

// Whether every row of the call begins at a multiple of 16 bytes, and ends at one.
__device__ inline bool in_vectors(const Params &p) {
  return ((p.D | p.qPitch | p.kvPitch | p.qOffset | p.kOffset | p.vOffset) & 7u) == 0;
}

// Starts to copy ROWS rows of D values, zeros past D and where `row_at(r)` is null. `any` is an address that exists.
template <uint32_t ROWS, uint32_t WIDTH, uint32_t THREADS, class V, class RowAt>
__device__ inline void load_tile(V *tile, const V *any, uint32_t D, bool vectors, RowAt row_at) {
  constexpr uint32_t CHUNKS = WIDTH / 8;
  static_assert(ROWS * CHUNKS % THREADS == 0, "all threads copy alike");
  if (vectors) {
    // Where columns differ from round to round, more at a time hold more addresses than there are registers.
    constexpr uint32_t ROUNDS = THREADS % CHUNKS == 0 ? ROWS * CHUNKS / THREADS : 2;
#pragma unroll ROUNDS
    for (uint32_t round = 0; round < ROWS * CHUNKS / THREADS; ++round) {
      const uint32_t n = round * THREADS + threadIdx.x, r = n / CHUNKS, c = n % CHUNKS * 8;
      const V *row = row_at(r);
      const bool there = row != nullptr && c < D;
      cp_async_16(tile + r * PITCH<WIDTH> + c, there ? row + c : any, there ? 16 : 0);
    }
    return;
  }
  for (uint32_t n = threadIdx.x; n < ROWS * WIDTH; n += THREADS) {
    const uint32_t r = n / WIDTH, c = n % WIDTH;
    const V *row = row_at(r);
    tile[r * PITCH<WIDTH> + c] = row != nullptr && c < D ? row[c] : V{0};
  }
}

// The 16 × 16 values from (row, column) on, as the left operand.
template <uint32_t WIDTH, class V>
__device__ inline void load_left(uint32_t (&a)[4], const V *tile, uint32_t row, uint32_t column) {
  const uint32_t lane = threadIdx.x % WARP;
  ldmatrix_x4(a, tile + (row + lane % 16) * PITCH<WIDTH> + column + lane / 16 * 8);
}

// Two right operands whose columns are 16 rows of the tile from `row` on, of 16 of its columns.
template <uint32_t WIDTH, class V>
__device__ inline void load_right_rows(uint32_t (&first)[2], uint32_t (&second)[2], const V *tile, uint32_t row,
                                       uint32_t column) {
  const uint32_t lane = threadIdx.x % WARP;
  uint32_t b[4];
  ldmatrix_x4(b, tile + (row + lane / 16 * 8 + lane % 8) * PITCH<WIDTH> + column + lane / 8 % 2 * 8);
  first[0] = b[0], first[1] = b[1], second[0] = b[2], second[1] = b[3];
}

// Two right operands whose columns are 16 columns of the tile, of 16 of its rows from `row` on.
template <uint32_t WIDTH, class V>
__device__ inline void load_right_columns(uint32_t (&first)[2], uint32_t (&second)[2], const V *tile, uint32_t row,
                                          uint32_t column) {
  const uint32_t lane = threadIdx.x % WARP;
  uint32_t b[4];
  ldmatrix_x4_trans(b, tile + (row + lane % 16) * PITCH<WIDTH> + column + lane / 16 * 8);
  first[0] = b[0], first[1] = b[1], second[0] = b[2], second[1] = b[3];
}

// sums[16 rows][8 N columns] += (16 rows of `left` from `row` on) (8 N rows of `right` from 0 on)ᵀ over WIDTH columns.
template <uint32_t WIDTH, uint32_t N, class V>
__device__ inline void multiply_rows(float (&sums)[N][4], const V *left, uint32_t row, const V *right) {
#pragma unroll
  for (uint32_t k = 0; k < WIDTH; k += 16) {
    uint32_t a[4];
    load_left<WIDTH>(a, left, row, k);
#pragma unroll
    for (uint32_t n = 0; n < N; n += 2) {
      uint32_t first[2], second[2];
      load_right_rows<WIDTH>(first, second, right, 8 * n, k);
      mma_m16n8k16(sums[n], a, first, V{});
      mma_m16n8k16(sums[n + 1], a, second, V{});
    }
  }
}

// Columns [16 k, 16 (k + 1)) of a product's sums as the left operand of the next: they stay in registers.
template <class V, uint32_t N>
__device__ inline void as_left(uint32_t (&a)[4], const float (&sums)[N][4], uint32_t k) {
  a[0] = pack<V>(sums[2 * k][0], sums[2 * k][1]), a[1] = pack<V>(sums[2 * k][2], sums[2 * k][3]);
  a[2] = pack<V>(sums[2 * k + 1][0], sums[2 * k + 1][1]), a[3] = pack<V>(sums[2 * k + 1][2], sums[2 * k + 1][3]);
}

// sums[16 rows][WIDTH] += weights[16 rows][8 N] (8 N rows of `right`).
template <uint32_t WIDTH, uint32_t N, class V>
__device__ inline void multiply_columns(float (&sums)[WIDTH / 8][4], const float (&weights)[N][4], const V *right) {
#pragma unroll
  for (uint32_t k = 0; k < N / 2; ++k) {
    uint32_t a[4];
    as_left<V>(a, weights, k);
#pragma unroll
    for (uint32_t n = 0; n < WIDTH / 8; n += 2) {
      uint32_t first[2], second[2];
      load_right_columns<WIDTH>(first, second, right, 16 * k, 8 * n);
      mma_m16n8k16(sums[n], a, first, V{});
      mma_m16n8k16(sums[n + 1], a, second, V{});
    }
  }
}

// Stores a warp's 16 rows, times `factors` (of rows lane / 4 and 8 more), from row `row` of the tile on, through which they
// go: whole rows leave as 16 bytes a thread. `row_at(r)` is null where row r is not there.
template <uint32_t WIDTH, class V, class RowAt>
__device__ inline void store_rows(V *tile, uint32_t row, const float (&sums)[WIDTH / 8][4], float factor, float factor8,
                                  uint32_t D, bool vectors, RowAt row_at) {
  const uint32_t lane = threadIdx.x % WARP;
  V *own = tile + (row + lane / 4) * PITCH<WIDTH> + lane % 4 * 2;
  __syncwarp();
#pragma unroll
  for (uint32_t n = 0; n < WIDTH / 8; ++n) {
    *reinterpret_cast<uint32_t *>(own + 8 * n) = pack<V>(sums[n][0] * factor, sums[n][1] * factor);
    *reinterpret_cast<uint32_t *>(own + 8 * PITCH<WIDTH> + 8 * n) = pack<V>(sums[n][2] * factor8, sums[n][3] * factor8);
  }
  __syncwarp();
  constexpr uint32_t STEP = 8;
  using Chunk = Vector<V, STEP>;
  for (uint32_t n = lane; n < 16 * WIDTH / STEP; n += WARP) {
    const uint32_t r = n / (WIDTH / STEP), c = n % (WIDTH / STEP) * STEP;
    V *to = row_at(row + r);
    if (to == nullptr || c >= D) continue;
    const V *from = tile + (row + r) * PITCH<WIDTH> + c;
    if (vectors)
      *reinterpret_cast<Chunk *>(to + c) = *reinterpret_cast<const Chunk *>(from);
    else
      for (uint32_t i = 0; i < min(STEP, D - c); ++i) to[c + i] = from[i];
  }
}
