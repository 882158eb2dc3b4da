// Walks over rows. Their elements are shared out so that neighbouring threads read neighbouring memory.
#pragma once
#include "storage.cuh"

// Calls f(c, value, k) for the elements c of [0, C) that `thread` of `threads` owns; k < 16 / sizeof(V) is the same for
// every so many neighbours, so that as many sums can be kept apart. Where the row begins at a multiple of 16 bytes, whole
// vectors of that size are read, then single elements.
template <class V, class F>
__device__ inline void for_row(const V *row, uint32_t C, uint32_t thread, uint32_t threads, F f) {
  constexpr unsigned int N = 16 / sizeof(V);
  const uint32_t whole = reinterpret_cast<uintptr_t>(row) % 16 == 0 ? C / N : 0;
  const auto *vectors = reinterpret_cast<const Vector<V, N> *>(row);
#pragma unroll 4
  for (uint32_t i = thread; i < whole; i += threads) {
    const Vector<V, N> vector = vectors[i];
#pragma unroll
    for (unsigned int k = 0; k < N; ++k) f(i * N + k, vector.values[k], k);
  }
#pragma unroll 4
  for (uint32_t c = whole * N + thread; c < C; c += threads) f(c, row[c], 0u);
}
