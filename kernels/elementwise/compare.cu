// elementwise/compare (cuda)
// Math      y[i] = 1 where a[i] ∘ b[i], else 0; false with NaN, but for notEqual
// Shapes    a, b [n] · y [n] i32
// Tiling    a thread owns 16 bytes of y
// Launch    grid (ceil(n / elements of a block)), 256 threads
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"
#include "functions.cuh"

struct Params {
  uint32_t n, f;
};

template <class V>
__device__ void compare_elements(const V *a, const V *b, int32_t *y, const Params &p) {
  const Part<PER_THREAD<int32_t>> part(p.n);
  const auto left = part.load(a), right = part.load(b);
  part.store(y,
             [&](unsigned int k) { return compare(p.f, to_float(left.values[k]), to_float(right.values[k])) ? 1 : 0; });
}

#define ELEMENTWISE_COMPARE(V)                                           \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)          \
      elementwise_compare_##V(const Value_##V *__restrict__ a, /* [n] */ \
                              const Value_##V *__restrict__ b, /* [n] */ \
                              int32_t *__restrict__ y,         /* [n] */ \
                              const Params p) {                          \
    compare_elements(a, b, y, p);                                        \
  }
FOR_FLOATS(ELEMENTWISE_COMPARE)
