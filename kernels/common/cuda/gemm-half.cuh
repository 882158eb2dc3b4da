// What a warp does with a stage of bf16 or f16: m16n8k16 on the tensor cores. A stage is two or four steps of 16 k, a piece of it
// 16 columns of one step. Fragments of the right operand are loaded a piece ahead of their use, those of the left for the
// next step as soon as their last product of this one is under way: so sums may take three quarters of the registers.
#pragma once
#include "anew.cuh"
#include "gemm-tile.cuh"
#include "ldmatrix.cuh"
#include "mma.cuh"

// Bytes from an operand's stage to the 16 bytes whose address a lane gives for 16 items of a step. INNER_FIRST: matrices
// of a load go by k first (right operand: b of mma.cuh), else by items (left).
template <class T, bool ALONG_K, uint32_t ITEMS, uint32_t WARP_ITEMS, bool INNER_FIRST>
struct FragmentPlaces {
  static constexpr uint32_t LINE = LINE_BYTES<T, ALONG_K, ITEMS>;
  // Sixteens of items (ALONG_K: steps) have chunks that the permutation flips: where the first of them is a multiple of 8
  // chunks, they only differ in bits that it flips.
  static constexpr bool FLIPPED = ALONG_K || WARP_ITEMS % 64 == 0;
  uint32_t base, chunk, flip;

  __device__ explicit FragmentPlaces(uint32_t first) {
    const uint32_t lane = threadIdx.x % 32, low = lane / 8 % 2, high = lane / 16;
    const uint32_t item_half = INNER_FIRST ? high : low, k_half = INNER_FIRST ? low : high;
    const uint32_t line = lane % 8 + 8 * (ALONG_K ? item_half : k_half);
    base = LINE * (line + (ALONG_K ? first : 0));
    flip = chunk_flip<T, ALONG_K>(line);
    chunk = ALONG_K ? k_half : first / CHUNK<typename T::Value> + item_half;
    if constexpr (FLIPPED) base += 16 * (chunk ^ flip);
    // Deep stages have so many addresses that the compiler would find this one anew in each round of their loop.
    if constexpr (T::DEPTH_CHUNKS == 8) base = anew(base);
  }
  __device__ uint32_t at(uint32_t sixteen, uint32_t step) const {
    if constexpr (ALONG_K) return (base ^ 32 * step) + 16 * LINE * sixteen;
    if constexpr (FLIPPED) return (base ^ 32 * sixteen) + 16 * LINE * step;
    return base + 16 * (chunk + 2 * sixteen ^ flip) + 16 * LINE * step;
  }
};

template <class T, bool LEFT_ALONG_K_, bool RIGHT_ALONG_K_>
struct HalfMath {
  using V = typename T::Value;
  static constexpr bool LEFT_ALONG_K = LEFT_ALONG_K_, RIGHT_ALONG_K = RIGHT_ALONG_K_;
  static constexpr uint32_t DOWN = T::WARP_ROWS / 16, ACROSS = T::WARP_COLUMNS / 16, STEPS = T::DEPTH_CHUNKS / 2,
                            PIECES = STEPS * ACROSS, UNROLL = PIECES;

  float sums[DOWN][2 * ACROSS][4] = {};
  uint32_t left[DOWN][4], right[2][4];
  const FragmentPlaces<T, LEFT_ALONG_K, T::ROWS, T::WARP_ROWS, false> left_places{T::warp_row()};
  const FragmentPlaces<T, RIGHT_ALONG_K, T::COLUMNS, T::WARP_COLUMNS, true> right_places{T::warp_column()};

  __device__ void begin(const unsigned char *left_now, const unsigned char *right_now) {
#pragma unroll
    for (uint32_t i = 0; i < DOWN; ++i) load<!LEFT_ALONG_K>(left[i], left_now + left_places.at(i, 0));
    load<!RIGHT_ALONG_K>(right[0], right_now + right_places.at(0, 0));
  }

  __device__ void piece(uint32_t piece, const unsigned char *left_now, const unsigned char *right_now,
                        const unsigned char *left_next, const unsigned char *right_next) {
    const uint32_t step = piece / ACROSS, across = piece % ACROSS, ahead = piece + 1;
    load<!RIGHT_ALONG_K>(right[ahead % 2], (ahead < PIECES ? right_now : right_next) +
                                               right_places.at(ahead % ACROSS, ahead / ACROSS % STEPS));
#pragma unroll
    for (uint32_t i = 0; i < DOWN; ++i) {
      mma_m16n8k16(sums[i][2 * across], left[i], {right[piece % 2][0], right[piece % 2][1]}, V{});
      mma_m16n8k16(sums[i][2 * across + 1], left[i], {right[piece % 2][2], right[piece % 2][3]}, V{});
      if (across == ACROSS - 1)
        load<!LEFT_ALONG_K>(left[i], (step + 1 < STEPS ? left_now : left_next) + left_places.at(i, (step + 1) % STEPS));
    }
  }

  // Sixteen rows of the warp's tile.
  __device__ void put(float *slab, uint32_t pitch, uint32_t s) const {
    const uint32_t row = threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
#pragma unroll
    for (uint32_t i = 0; i < DOWN; ++i) {  // registers have no index
      if (i != s) continue;
#pragma unroll
      for (uint32_t j = 0; j < 2 * ACROSS; ++j) {
        float *to = slab + row * pitch + 8 * j + column;
        *reinterpret_cast<float2 *>(to) = make_float2(sums[i][j][0], sums[i][j][1]);
        *reinterpret_cast<float2 *>(to + 8 * pitch) = make_float2(sums[i][j][2], sums[i][j][3]);
      }
    }
  }

 private:
  template <bool TRANSPOSED>
  __device__ static void load(uint32_t (&fragment)[4], const unsigned char *from) {
    if constexpr (TRANSPOSED)
      ldmatrix_x4_trans(fragment, from);
    else
      ldmatrix_x4(fragment, from);
  }
};
