// elementwise/unary (cuda)
// Math      y[i] = f(x[i]); f by its code in functions.ts, with parameters alpha and beta
// Shapes    x, y [n]
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  f32; functions within 4 units in the last place, except gelu's (common/cuda/activation.cuh); rounds once
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"
#include "functions.cuh"

struct Params {
  uint32_t n, f;
  float alpha, beta;
};

template <class V>
__device__ void unary(const V *x, V *y, const Params &p) {
  const Part<PER_THREAD<V>> part(p.n);
  const auto in = part.load(x);
  with_unary(p.f, p.alpha, p.beta,
             [&](auto f) { part.store(y, [&](unsigned int k) { return from_float<V>(f(to_float(in.values[k]))); }); });
}

#define ELEMENTWISE_UNARY(V)                                           \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)        \
      elementwise_unary_##V(const Value_##V *__restrict__ x, /* [n] */ \
                            Value_##V *__restrict__ y,       /* [n] */ \
                            const Params p) {                          \
    unary(x, y, p);                                                    \
  }
FOR_FLOATS(ELEMENTWISE_UNARY)
