// fill/range-int (cuda)
// Math      y[i] = start + i step, modulo 2^32
// Shapes    y [n] i32
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
#include "../common/cuda/elements.cuh"

struct Params {
  uint32_t n, start, step;
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) fill_range_int_f32(uint32_t *__restrict__ y,  // [n]
                                                                                 const Params p) {
  const Part<PER_THREAD<uint32_t>> part(p.n);
  part.store(y, [&](unsigned int k) { return p.start + static_cast<uint32_t>(part.first + k) * p.step; });
}
