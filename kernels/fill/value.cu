// fill/value (cuda)
// Math      y[i] = value
// Shapes    y [n]
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  rounds once
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n;
  float value;
};

template <class V>
__device__ void value(V *y, const Params &p) {
  const Part<PER_THREAD<V>> part(p.n);
  const V word = from_float<V>(p.value);
  part.store(y, [=](unsigned int) { return word; });
}

#define FILL_VALUE(V)                                                                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) fill_value_##V(Value_##V *__restrict__ y, /* [n] */ \
                                                                               const Params p) {                    \
    value(y, p);                                                                                                    \
  }
FOR_FLOATS(FILL_VALUE)
