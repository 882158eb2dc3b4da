// elementwise/compare-int (cuda)
// Math      y[i] = 1 where a[i] ∘ b[i], else 0
// Shapes    a, b, y [n] i32
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
#include "../common/cuda/elements.cuh"
#include "functions.cuh"

struct Params {
  uint32_t n, f;
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    elementwise_compare_int_f32(const int32_t *__restrict__ a,  // [n]
                                const int32_t *__restrict__ b,  // [n]
                                int32_t *__restrict__ y,        // [n]
                                const Params p) {
  const Part<PER_THREAD<int32_t>> part(p.n);
  const auto left = part.load(a), right = part.load(b);
  part.store(y, [&](unsigned int k) { return compare(p.f, left.values[k], right.values[k]) ? 1 : 0; });
}
