// grad-norm/join (cuda)
// Math      clip[0] = √Σ partials;  clip[1] = min(1, maxNorm / (clip[0] + 1e-6))
// Shapes    partials [count] f32 · clip [2] f32
// Tiling    one block; a thread owns every 256th partial sum
// Launch    grid (1), 256 threads
// Numerics  the few partial sums are joined in f64; the order depends on count only
#include <cstdint>

struct Params {
  uint32_t count;
  float maxNorm;
};

constexpr uint32_t THREADS = 256;

extern "C" __global__ void __launch_bounds__(THREADS) grad_norm_join_f32(const float *__restrict__ partials,  // [count]
                                                                         float *__restrict__ clip,            // [2]
                                                                         const Params p) {
  __shared__ double sums[THREADS];
  double sum = 0.0;
  for (uint32_t i = threadIdx.x; i < p.count; i += THREADS) sum += partials[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (uint32_t half = THREADS / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  const double norm = sqrt(sums[0]);
  clip[0] = static_cast<float>(norm);
  // Not fmin, which would take the 1 for NaN.
  const double factor = p.maxNorm / (norm + 1e-6);
  clip[1] = factor > 1.0 ? 1.0f : static_cast<float>(factor);
}
