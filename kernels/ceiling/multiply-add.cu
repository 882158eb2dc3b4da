// ceiling/multiply-add (cuda)
// Math      y[i] = s after `steps` times s = s factor + term, from s = i mod 256
// Shapes    y [n] f32
// Method    the arithmetic of this GPU outside its tensor cores and nothing else: sums stay in registers, and enough of them
//           that no multiply-add waits for the one before
// Tiling    a thread owns 16 neighbouring sums
// Launch    grid (ceil(n / 4096)), 256 threads
// Numerics  f32, one fused multiply-add a step
#include "../common/cuda/elements.cuh"

struct Params {
  uint32_t n, steps;
  float factor, term;
};

constexpr unsigned int SUMS = 16;

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) ceiling_multiply_add_f32(float *__restrict__ y,  // [n]
                                                                                       const Params p) {
  const Part<SUMS> part(p.n);
  float s[SUMS];
#pragma unroll
  for (unsigned int k = 0; k < SUMS; ++k) s[k] = static_cast<float>((part.first + k) % 256);
#pragma unroll 8
  for (uint32_t step = 0; step < p.steps; ++step)
#pragma unroll
    for (unsigned int k = 0; k < SUMS; ++k) s[k] = fmaf(s[k], p.factor, p.term);
  part.store(y, [&](unsigned int k) { return s[k]; });
}
