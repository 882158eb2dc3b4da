// elementwise/binary-broadcast (cuda)
// Math      y[i0..i5] = f(a[Σ ik ak], b[Σ ik bk]); f by its code in functions.ts
// Shapes    y [d0..d5] contiguous · a, b read through strides; that of the innermost dimension is 0 or 1
// Method    where rows are whole vectors in y and in the operands that move along them, a thread moves one vector; else a
//           block's elements go round its threads one by one, neighbours beside each other
// Tiling    a thread owns 16 bytes of y
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  f32; rounds once
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/odometer.cuh"
#include "functions.cuh"

struct Params {
  uint32_t n, f;
  uint32_t d0, d1, d2, d3, d4, d5, a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, b4, b5;
};

// N neighbours, or one element N times.
template <unsigned int N, class V>
__device__ Vector<V, N> load_along(const V *x, uint32_t stride) {
  if (stride != 0) return *reinterpret_cast<const Vector<V, N> *>(x);
  Vector<V, N> same;
  for (unsigned int k = 0; k < N; ++k) same.values[k] = *x;
  return same;
}

template <class V>
__device__ void binary_broadcast(const V *a, const V *b, V *y, const Params &p) {
  constexpr unsigned int N = PER_THREAD<V>;
  const Grid grid{
      {p.d0, p.d1, p.d2, p.d3, p.d4, p.d5}, {p.a0, p.a1, p.a2, p.a3, p.a4, p.a5}, {p.b0, p.b1, p.b2, p.b3, p.b4, p.b5}};
  if (in_groups<N>(grid.size, grid.a) && in_groups<N>(grid.size, grid.b)) {
    const Part<N> part(p.n);
    if (part.count == 0) return;
    const Offsets at = grid.at(static_cast<uint32_t>(part.first));
    const auto left = load_along<N>(a + at.a, p.a5), right = load_along<N>(b + at.b, p.b5);
    part.store(y, [&](unsigned int k) {
      return from_float<V>(binary(p.f, to_float(left.values[k]), to_float(right.values[k])));
    });
    return;
  }
  for_scattered<N>(p.n, [&](uint32_t i) {
    const Offsets at = grid.at(i);
    y[i] = from_float<V>(binary(p.f, to_float(a[at.a]), to_float(b[at.b])));
  });
}

#define ELEMENTWISE_BINARY_BROADCAST(V)                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)                       \
      elementwise_binary_broadcast_##V(const Value_##V *__restrict__ a, /* strided */ \
                                       const Value_##V *__restrict__ b, /* strided */ \
                                       Value_##V *__restrict__ y,       /* [n] */     \
                                       const Params p) {                              \
    binary_broadcast(a, b, y, p);                                                     \
  }
FOR_FLOATS(ELEMENTWISE_BINARY_BROADCAST)
