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

// Starts to copy ROWS rows of D values from row `first` on, all of which are there and in vectors; zeros past D. A thread
// keeps to its column, so that a copy costs an addition.
template <uint32_t ROWS, uint32_t WIDTH, uint32_t THREADS, class V>
__device__ inline void load_whole(V *tile, const Rows<const V> &rows, uint32_t first, uint32_t D) {
  constexpr uint32_t LANES = WIDTH == 96 ? 16 : WIDTH / 8, AT_ONCE = THREADS / LANES;
  static_assert(ROWS % AT_ONCE == 0, "all threads copy alike");
  const uint32_t r = threadIdx.x / LANES, c = threadIdx.x % LANES * 8, bytes = c < D ? 16 : 0;
  if (WIDTH % (8 * LANES) != 0 && c >= WIDTH) return;
  const V *from = rows.at(first + r) + (c < D ? c : 0);
  V *to = tile + r * PITCH<WIDTH> + c;
#pragma unroll
  for (uint32_t done = 0; done < ROWS; done += AT_ONCE) {
    cp_async_16(to + done * PITCH<WIDTH>, from, bytes);
    if (done + AT_ONCE < ROWS) from += AT_ONCE * rows.pitch;
  }
}

// The same where some may not be there: zeros where `row_at(r)` is null. `any` is an address that exists.
template <uint32_t ROWS, uint32_t WIDTH, uint32_t THREADS, class V, class RowAt>
__device__ inline void load_tile(V *tile, const V *any, uint32_t D, bool vectors, RowAt row_at) {
  constexpr uint32_t CHUNKS = WIDTH / 8;
  if (vectors) {
#pragma unroll 1
    for (uint32_t n = threadIdx.x; n < ROWS * CHUNKS; n += THREADS) {
      const uint32_t r = n / CHUNKS, c = n % CHUNKS * 8;
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

// The same of rows from `first` on, of which there are `count` in all.
template <uint32_t ROWS, uint32_t WIDTH, uint32_t THREADS, class V>
__device__ inline void load_rows(V *tile, const Rows<const V> &rows, uint32_t first, uint32_t count, const V *any,
                                 uint32_t D, bool vectors) {
  if (vectors && first + ROWS <= count)
    load_whole<ROWS, WIDTH, THREADS>(tile, rows, first, D);
  else
    load_tile<ROWS, WIDTH, THREADS>(tile, any, D, vectors,
                                    [&](uint32_t r) { return first + r < count ? rows.at(first + r) : nullptr; });
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

// PARTS times 16 rows of a tile, from `row` on, as left operands: read anew for each product or, HELD, kept in registers from
// the call of hold() on.
template <class V, uint32_t WIDTH, uint32_t PARTS, bool HELD>
struct LeftRows {
  const V *tile;
  uint32_t row;
  uint32_t held[HELD ? PARTS : 1][HELD ? WIDTH / 16 : 1][4];

  __device__ LeftRows(const V *tile, uint32_t row) : tile(tile), row(row) {}
  __device__ void hold() {
    if constexpr (HELD) {
#pragma unroll
      for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
        for (uint32_t k = 0; k < WIDTH / 16; ++k) load_left<WIDTH>(held[part][k], tile, row + 16 * part, 16 * k);
      }
    }
  }
  // Columns [16 k, 16 (k + 1)).
  __device__ void at(uint32_t (&a)[4], uint32_t part, uint32_t k) const {
    if constexpr (HELD) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) a[i] = held[part][k][i];
    } else {
      load_left<WIDTH>(a, tile, row + 16 * part, 16 * k);
    }
  }
};

// sums[PARTS times 16 rows][8 N columns] += left (8 N rows of `right` from 0 on)ᵀ over WIDTH columns. What is read of `right`
// serves all parts.
template <uint32_t WIDTH, uint32_t PARTS, uint32_t N, class V, bool HELD>
__device__ inline void multiply_rows(float (&sums)[PARTS][N][4], const LeftRows<V, WIDTH, PARTS, HELD> &left,
                                     const V *right) {
#pragma unroll
  for (uint32_t k = 0; k < WIDTH / 16; ++k) {
    uint32_t a[PARTS][4];
#pragma unroll
    for (uint32_t part = 0; part < PARTS; ++part) left.at(a[part], part, k);
#pragma unroll
    for (uint32_t n = 0; n < N; n += 2) {
      uint32_t first[2], second[2];
      load_right_rows<WIDTH>(first, second, right, 8 * n, 16 * k);
#pragma unroll
      for (uint32_t part = 0; part < PARTS; ++part) {
        mma_m16n8k16(sums[part][n], a[part], first, V{});
        mma_m16n8k16(sums[part][n + 1], a[part], second, V{});
      }
    }
  }
}

// Columns [16 k, 16 (k + 1)) of a product's sums as the left operand of the next: they stay in registers.
template <class V, uint32_t N>
__device__ inline void as_left(uint32_t (&a)[4], const float (&sums)[N][4], uint32_t k) {
  a[0] = pack<V>(sums[2 * k][0], sums[2 * k][1]), a[1] = pack<V>(sums[2 * k][2], sums[2 * k][3]);
  a[2] = pack<V>(sums[2 * k + 1][0], sums[2 * k + 1][1]), a[3] = pack<V>(sums[2 * k + 1][2], sums[2 * k + 1][3]);
}

// sums[PARTS times 16 rows][WIDTH] += weights[PARTS times 16 rows][8 N] (8 N rows of `right`).
template <uint32_t WIDTH, uint32_t PARTS, uint32_t N, class V>
__device__ inline void multiply_columns(float (&sums)[PARTS][WIDTH / 8][4], const float (&weights)[PARTS][N][4],
                                        const V *right) {
#pragma unroll
  for (uint32_t k = 0; k < N / 2; ++k) {
    uint32_t a[PARTS][4];
#pragma unroll
    for (uint32_t part = 0; part < PARTS; ++part) as_left<V>(a[part], weights[part], k);
#pragma unroll
    for (uint32_t n = 0; n < WIDTH / 8; n += 2) {
      uint32_t first[2], second[2];
      load_right_columns<WIDTH>(first, second, right, 16 * k, 8 * n);
#pragma unroll
      for (uint32_t part = 0; part < PARTS; ++part) {
        mma_m16n8k16(sums[part][n], a[part], first, V{});
        mma_m16n8k16(sums[part][n + 1], a[part], second, V{});
      }
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

template <uint32_t PARTS, uint32_t N>
__device__ inline void negate(float (&elements)[PARTS][N][4]) {
#pragma unroll
  for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
    for (uint32_t n = 0; n < N; ++n) {
#pragma unroll
      for (uint32_t e = 0; e < 4; ++e) elements[part][n][e] = -elements[part][n][e];
    }
  }
}

// Elements of a tile whose first key is j0: `value` where `ends` (of rows lane / 4 and 8 more) or `kept` say so.
template <uint32_t N>
__device__ inline void hide(float (&elements)[N][4], uint32_t j0, const uint32_t (&ends)[2], uint64_t kept,
                            float value) {
  const uint32_t lane = threadIdx.x % WARP;
#pragma unroll
  for (uint32_t n = 0; n < N; ++n) {
#pragma unroll
    for (uint32_t e = 0; e < 4; ++e) {
      const uint32_t column = 8 * n + lane % 4 * 2 + e % 2;
      if (j0 + column >= ends[e / 2] || !(kept >> column & 1)) elements[n][e] = value;
    }
  }
}

// Of 64 bits of a row those of this thread's columns: of 8 n + lane % 4 * 2 + e at lane_bit(n, e).
__device__ inline uint32_t lane_bits(uint64_t row) {
  const uint64_t own = row >> threadIdx.x % 4 * 2 & 0x0303030303030303u;
  return static_cast<uint32_t>(own) | static_cast<uint32_t>(own >> 32) << 2;
}
__device__ inline uint32_t lane_bit(uint32_t n, uint32_t e) { return 8 * (n % 4) + 2 * (n / 4) + e; }

// Elements of two rows that dropout leaves out, by their lane_bits, become 0.
template <uint32_t N>
__device__ inline void drop(float (&weights)[N][4], const uint32_t (&survivors)[2]) {
#pragma unroll
  for (uint32_t n = 0; n < N; ++n) {
#pragma unroll
    for (uint32_t e = 0; e < 4; ++e)
      if (!(survivors[e / 2] >> lane_bit(n, e % 2) & 1)) weights[n][e] = 0.0f;
  }
}
