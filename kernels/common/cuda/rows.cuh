// Walks over rows. Their elements are shared out so that neighbouring threads read neighbouring memory.
#pragma once
#include "storage.cuh"

// Calls f(c, value) for the elements c of a row of C that `thread` of `threads` owns; value is a V. Where every row of C
// begins at a multiple of 16 bytes they are vectors of 16 bytes, with all values of one in turn: k = 0, 1, ... of f(c, value, k)
// is the place in a vector, so that sums can be kept apart.
template <class V, class F>
__device__ inline void for_row(const V *row, uint32_t C, uint32_t thread, uint32_t threads, F f) {
  constexpr unsigned int N = 16 / sizeof(V);
  if (C % N == 0) {
    const auto *vectors = reinterpret_cast<const Vector<V, N> *>(row);
#pragma unroll 4
    for (uint32_t i = thread; i < C / N; i += threads) {
      const Vector<V, N> vector = vectors[i];
#pragma unroll
      for (unsigned int k = 0; k < N; ++k) f(i * N + k, vector.values[k], k);
    }
  } else {
#pragma unroll 4
    for (uint32_t c = thread; c < C; c += threads) f(c, row[c], 0u);
  }
}
