// A quantised matrix as the right operand of common/cuda/gemm.cuh: widened while it is copied to shared memory.
#pragma once
#include "../common/cuda/gemm-operand.cuh"
#include "weight.cuh"

// Sixteen bytes of values from element k of row n on: of 4 bits a word or half of one, of 8 two or one.
template <class V, uint32_t BITS>
__device__ inline void widen_chunk(V *to, const QuantizedMatrix<BITS> &w, uint32_t n, uint32_t k, bool there) {
  constexpr uint32_t N = CHUNK<V>, PER = PER_WORD<BITS>, WORDS = N < PER ? 1 : N / PER;
  Vector<V, N> values = {};
  if (there) {
    const uint32_t *const row = w.row(n);
    const float scale = w.scale(row, k);
#pragma unroll
    for (uint32_t word = 0; word < WORDS; ++word) {
      float all[PER];
      // Of a word whose first half is another chunk's, the second moves down.
      widen<BITS>(row[k / PER + word] >> k % PER * BITS, scale, all);
#pragma unroll
      for (uint32_t i = 0; i < N / WORDS; ++i) values.values[word * (N / WORDS) + i] = from_float<V>(all[i]);
    }
  }
  *reinterpret_cast<Vector<V, N> *>(to) = values;
}

// op(right) = wᵀ, as the forward multiplies: lines are rows of w.
template <class V, uint32_t BITS>
struct QuantizedRows {
  static constexpr bool ALONG_K = true, IN_ORDER = true;
  QuantizedMatrix<BITS> w;

  __device__ uint32_t line(uint32_t i) const { return i; }
  __device__ void chunk(V *to, uint32_t line, uint32_t down, uint32_t at) const {
    widen_chunk(to, w, line + down, at, line + down < w.N && at < w.K);
  }
};

// op(right) = w, as the gradient of x multiplies: lines are rows of w, too, but of what is summed over.
template <class V, uint32_t BITS>
struct QuantizedColumns : QuantizedRows<V, BITS> {
  static constexpr bool ALONG_K = false;
};
