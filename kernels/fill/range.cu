// fill/range (cuda)
// Math      y[i] = start + i step
// Shapes    y [n]
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  i step + start in f64, so that i is exact; rounds once to f32, then to the storage type
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n;
  float start, step;
};

template <class V>
__device__ void range(V *y, const Params &p) {
  const Part<PER_THREAD<V>> part(p.n);
  part.store(y, [&](unsigned int k) {
    const auto i = static_cast<double>(part.first + k);
    return from_float<V>(static_cast<float>(static_cast<double>(p.start) + i * static_cast<double>(p.step)));
  });
}

#define FILL_RANGE(V)                                                                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) fill_range_##V(Value_##V *__restrict__ y, /* [n] */ \
                                                                               const Params p) {                    \
    range(y, p);                                                                                                    \
  }
FOR_FLOATS(FILL_RANGE)
