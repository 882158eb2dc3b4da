// Brings an operand into the stages of a tile: every thread of the block copies PASSES chunks of a stage.
#pragma once
#include "gemm-operand.cuh"

template <class T, class Operand, uint32_t ITEMS>
class GemmLoader {
  using V = typename T::Value;
  static constexpr bool ALONG_K = Operand::ALONG_K;
  // Threads side by side on a line, and the lines that the block copies at once.
  static constexpr uint32_t FOR_K = T::THREADS / T::DEPTH;
  static constexpr uint32_t ACROSS = ALONG_K ? T::DEPTH_CHUNKS : FOR_K < 8 ? 8 : FOR_K;
  static constexpr uint32_t DOWN = T::THREADS / ACROSS;
  static constexpr uint32_t LINES = (ALONG_K ? ITEMS : T::DEPTH) / DOWN;
  static constexpr uint32_t CHUNKS = ALONG_K ? 1 : ITEMS / CHUNK<V> / ACROSS;
  static_assert(LINES * DOWN == (ALONG_K ? ITEMS : T::DEPTH) && LINES > 0, "whole passes over lines");
  static_assert(ALONG_K || CHUNKS * ACROSS * CHUNK<V> == ITEMS, "whole passes over chunks");

  // What a line is found by is read a stage before the line is: a warp waits where it uses what it has read.
  static constexpr bool READS_AHEAD = !ALONG_K && !Operand::IN_ORDER;

  const Operand &operand;
  uint32_t first, k = 0;
  uint32_t lines[Operand::IN_ORDER ? 1 : LINES], entries[READS_AHEAD ? LINES : 1];

 public:
  static constexpr uint32_t PASSES = LINES * CHUNKS;

  __device__ GemmLoader(const Operand &operand, uint32_t first_item) : operand(operand), first(first_item) {
    find(ALONG_K ? first : 0);
    if constexpr (READS_AHEAD) read(T::DEPTH);
  }

  __device__ void copy(unsigned char *memory, uint32_t pass) const {
    const uint32_t i = pass / CHUNKS, chunk = threadIdx.x % ACROSS + pass % CHUNKS * ACROSS;
    V *to = reinterpret_cast<V *>(memory + chunk_place<T, ALONG_K, ITEMS>(row(i), chunk));
    constexpr bool IN_ORDER = Operand::IN_ORDER;
    operand.chunk(to, lines[IN_ORDER ? 0 : i], IN_ORDER ? i * DOWN : 0, (ALONG_K ? k : first) + chunk * CHUNK<V>);
  }

  // On to the next stage.
  __device__ void advance() {
    k += T::DEPTH;
    if constexpr (READS_AHEAD) {
#pragma unroll
      for (uint32_t i = 0; i < LINES; ++i) lines[i] = operand.line(entries[i]);
      read(k + T::DEPTH);
    } else if constexpr (!ALONG_K) {
      find(k);
    }
  }

 private:
  __device__ static uint32_t row(uint32_t i) { return threadIdx.x / ACROSS + i * DOWN; }
  __device__ void find(uint32_t line) {
    if constexpr (Operand::IN_ORDER) {
      lines[0] = line + row(0);
    } else {
#pragma unroll
      for (uint32_t i = 0; i < LINES; ++i) lines[i] = operand.line(operand.entry(line + row(i)));
    }
  }
  __device__ void read(uint32_t line) {
#pragma unroll
    for (uint32_t i = 0; i < LINES; ++i) entries[i] = operand.entry(line + row(i));
  }
};
