// elementwise/binary (cuda)
// Math      y[i] = f(a[i], b[i]); f by its code in functions.ts
// Shapes    a, b, y [n]
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  f32; rounds once
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"
#include "functions.cuh"

struct Params {
  uint32_t n, f;
};

template <class V>
__device__ void binary_elements(const V *a, const V *b, V *y, const Params &p) {
  const Part<PER_THREAD<V>> part(p.n);
  const auto left = part.load(a), right = part.load(b);
  part.store(y, [&](unsigned int k) {
    return from_float<V>(binary(p.f, to_float(left.values[k]), to_float(right.values[k])));
  });
}

#define ELEMENTWISE_BINARY(V)                                           \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)         \
      elementwise_binary_##V(const Value_##V *__restrict__ a, /* [n] */ \
                             const Value_##V *__restrict__ b, /* [n] */ \
                             Value_##V *__restrict__ y,       /* [n] */ \
                             const Params p) {                          \
    binary_elements(a, b, y, p);                                        \
  }
FOR_FLOATS(ELEMENTWISE_BINARY)
