// fill/value-int (cuda)
// Math      y[i] = value, 32 bits of an i32 or u32
// Shapes    y [n]
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
#include "../common/cuda/elements.cuh"

struct Params {
  uint32_t n, value;
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) fill_value_int_f32(uint32_t *__restrict__ y,  // [n]
                                                                                 const Params p) {
  const Part<PER_THREAD<uint32_t>> part(p.n);
  part.store(y, [&](unsigned int) { return p.value; });
}
