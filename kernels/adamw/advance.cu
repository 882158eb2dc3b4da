// adamw/advance (cuda)
// Math      lr = rate[0];  c1 = b1 c1 + (1 - b1);  c2 = b2 c2 + (1 - b2) in each row of `slots`;  nothing changes where
//           clip[1] < 0
// Shapes    rate [4] f32 = lr, unused · slots [count] u32 · clip [2] f32 = norm, factor · schedule [parameters,4] f32, a
//           row = lr, c1, c2, unused
// Method    1 - bᵗ is the moment of a gradient of ones: a sum of positive terms, where 1 - 0.999 in f32 loses 5e-5 of itself
// Tiling    a thread owns a row
// Launch    grid (ceil(count / 256)), 256 threads
// Numerics  each step in f64, kept in f32
#include "../common/cuda/elements.cuh"

struct Params {
  uint32_t count, parameters;
  float beta1, rest1, beta2, rest2;
  uint32_t hasClip;
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    adamw_advance_f32(const float *__restrict__ rate,      // [4]
                      const uint32_t *__restrict__ slots,  // [count]
                      const float *__restrict__ clip,      // [2]
                      float *__restrict__ schedule,        // [parameters,4]
                      const Params p) {
  const uint32_t i = blockIdx.x * ELEMENT_THREADS + threadIdx.x;
  if (i >= p.count || (p.hasClip != 0 && clip[1] < 0.0f)) return;
  float *row = schedule + 4 * size_t{slots[i]};
  row[0] = rate[0];
  row[1] = static_cast<float>(static_cast<double>(p.beta1) * row[1] + p.rest1);
  row[2] = static_cast<float>(static_cast<double>(p.beta2) * row[2] + p.rest2);
}
