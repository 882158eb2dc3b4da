// The tile of a product that one block computes, and where its operands lie in shared memory.
// Both come in chunks of 16 bytes. A line is what lies side by side in memory: the k of one item (a row of the left, a
// column of the right operand), or the items of one k. A stage holds DEPTH_CHUNKS chunks of k, 4 or 8: chunks are permuted
// within their line, so that eight lanes that read the same chunk of eight lines, or eight chunks of one line, meet all banks.
#pragma once
#include <cstdint>

template <class V>
constexpr uint32_t CHUNK = 16 / sizeof(V);

template <class V, uint32_t ROWS_, uint32_t COLUMNS_, uint32_t WARP_ROWS_, uint32_t WARP_COLUMNS_, uint32_t STAGES_,
          uint32_t DEPTH_CHUNKS_ = 4>
struct GemmTile {
  using Value = V;
  static constexpr uint32_t ROWS = ROWS_, COLUMNS = COLUMNS_, WARP_ROWS = WARP_ROWS_, WARP_COLUMNS = WARP_COLUMNS_;
  static constexpr uint32_t STAGES = STAGES_, DEPTH_CHUNKS = DEPTH_CHUNKS_;
  static constexpr uint32_t DEPTH = DEPTH_CHUNKS * CHUNK<V>;
  static constexpr uint32_t WARPS_ACROSS = COLUMNS / WARP_COLUMNS, WARPS = ROWS / WARP_ROWS * WARPS_ACROSS;
  static constexpr uint32_t THREADS = 32 * WARPS;
  static constexpr uint32_t LEFT_BYTES = 16 * DEPTH_CHUNKS * ROWS, STAGE_BYTES = 16 * DEPTH_CHUNKS * (ROWS + COLUMNS);

  __device__ static uint32_t warp_row() { return threadIdx.x / 32 / WARPS_ACROSS * WARP_ROWS; }
  __device__ static uint32_t warp_column() { return threadIdx.x / 32 % WARPS_ACROSS * WARP_COLUMNS; }
};

// Byte at which a line of an operand of ITEMS items begins, and a chunk of it lies. ALONG_K: lines are items; else they are k.
template <class T, bool ALONG_K, uint32_t ITEMS>
constexpr uint32_t LINE_BYTES = ALONG_K ? 16 * T::DEPTH_CHUNKS : ITEMS * sizeof(typename T::Value);

// What a chunk's number in its line is flipped by.
template <class T, bool ALONG_K>
__device__ inline uint32_t chunk_flip(uint32_t line) {
  return ALONG_K && T::DEPTH_CHUNKS == 4 ? line / 2 % 4 : line % 8;
}

template <class T, bool ALONG_K, uint32_t ITEMS>
__device__ inline uint32_t chunk_place(uint32_t line, uint32_t chunk) {
  return LINE_BYTES<T, ALONG_K, ITEMS> * line + 16 * (chunk ^ chunk_flip<T, ALONG_K>(line));
}
