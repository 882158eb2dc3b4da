// elementwise/accumulate (cuda)
// Math      y[i] += x[i]
// Shapes    x, y [n]
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  f32; rounds once
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n;
};

template <class V>
__device__ void accumulate(const V *x, V *y, const Params &p) {
  const Part<PER_THREAD<V>> part(p.n);
  const auto old = part.load(y), more = part.load(x);
  part.store(y, [&](unsigned int k) { return from_float<V>(to_float(old.values[k]) + to_float(more.values[k])); });
}

#define ELEMENTWISE_ACCUMULATE(V)                                           \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)             \
      elementwise_accumulate_##V(const Value_##V *__restrict__ x, /* [n] */ \
                                 Value_##V *__restrict__ y,       /* [n] */ \
                                 const Params p) {                          \
    accumulate(x, y, p);                                                    \
  }
FOR_FLOATS(ELEMENTWISE_ACCUMULATE)
