// elementwise/unary-backward-input (cuda)
// Math      dx[i] = dy[i] f'(x[i]), f' written in x or in y as DERIVATIVE_OF in functions.ts says
// Shapes    dy, saved, dx [n]
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  f32; rounds once
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"
#include "functions.cuh"

struct Params {
  uint32_t n, f;
  float alpha, beta;
};

template <class V>
__device__ void unary_backward_input(const V *dy, const V *saved, V *dx, const Params &p) {
  const Part<PER_THREAD<V>> part(p.n);
  const auto slope_of = part.load(saved), above = part.load(dy);
  with_derivative(p.f, p.alpha, p.beta, [&](auto f) {
    part.store(
        dx, [&](unsigned int k) { return from_float<V>(to_float(above.values[k]) * f(to_float(slope_of.values[k]))); });
  });
}

#define ELEMENTWISE_UNARY_BACKWARD_INPUT(V)                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)                           \
      elementwise_unary_backward_input_##V(const Value_##V *__restrict__ dy,    /* [n] */ \
                                           const Value_##V *__restrict__ saved, /* [n] */ \
                                           Value_##V *__restrict__ dx,          /* [n] */ \
                                           const Params p) {                              \
    unary_backward_input(dy, saved, dx, p);                                               \
  }
FOR_FLOATS(ELEMENTWISE_UNARY_BACKWARD_INPUT)
