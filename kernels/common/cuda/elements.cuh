// Kernels whose elements depend on nothing but their own place. A thread owns N neighbouring elements: 16 bytes of the
// widest storage type among the kernel's buffers, so that a warp moves whole cache lines. The launch: `perElement` in
// grid.ts.
//
//   template <class V>
//   __device__ void accumulate(const V *x, V *y, uint32_t n) {
//     const Part<PER_THREAD<V>> part(n);
//     const auto a = part.load(x), b = part.load(y);
//     part.store(y, [&](unsigned int k) { return from_float<V>(to_float(b.values[k]) + to_float(a.values[k])); });
//   }
#pragma once
#include "storage.cuh"

// Of a block; also in grid.ts.
constexpr unsigned int ELEMENT_THREADS = 256;

// Elements of a thread, by the widest type.
template <class Widest>
constexpr unsigned int PER_THREAD = 16 / sizeof(Widest);

// What the calling thread owns of [0, n).
template <unsigned int N>
struct Part {
  size_t first;
  // Of the N elements from `first` on: 0 to N.
  unsigned int count;

  __device__ explicit Part(size_t n) : first((size_t{blockIdx.x} * ELEMENT_THREADS + threadIdx.x) * N) {
    count = first >= n ? 0 : n - first < N ? static_cast<unsigned int>(n - first) : N;
  }

  // Elements past the end are 0.
  template <class V>
  __device__ Vector<V, N> load(const V *x) const {
    if (count == N) return *reinterpret_cast<const Vector<V, N> *>(x + first);
    Vector<V, N> part = {};
    for (unsigned int k = 0; k < N; ++k)
      if (k < count) part.values[k] = x[first + k];
    return part;
  }

  // y[first + k] = f(k). All k are computed before any is stored: y may be what was loaded.
  template <class V, class F>
  __device__ void store(V *y, F f) const {
    Vector<V, N> part;
    for (unsigned int k = 0; k < N; ++k) part.values[k] = f(k);
    if (count == N) {
      *reinterpret_cast<Vector<V, N> *>(y + first) = part;
    } else {
      for (unsigned int k = 0; k < N; ++k)
        if (k < count) y[first + k] = part.values[k];
    }
  }
};

// The block's elements of [0, n), THREADS N of them, one by one and neighbours beside each other: f(i). For what a thread
// cannot move as a vector.
template <unsigned int N, class F>
__device__ inline void for_scattered(size_t n, F f) {
#pragma unroll
  for (unsigned int k = 0; k < N; ++k) {
    const size_t i = (size_t{blockIdx.x} * N + k) * ELEMENT_THREADS + threadIdx.x;
    if (i < n) f(static_cast<uint32_t>(i));
  }
}
