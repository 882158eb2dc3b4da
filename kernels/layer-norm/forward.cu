// layer-norm/forward (cuda)
// Math      y[t,c] = (x[t,c] - mean[t]) * rstd[t] * weight[c] + bias[c];  rstd = 1 / sqrt(var + eps), var over C, biased
// Shapes    x, y [T,C] · weight, bias [C] · mean, rstd [T] f32
// Method    per row: sum → mean; sum of squared distances → rstd; normalise. The row is read three times, from L1.
// Tiling    a block owns a row; a thread owns every 256th element
// Launch    grid (T), 256 threads
// Numerics  f32, two passes for the variance (no cancellation); the order of the sums depends on C only
#include <cstdint>

#include "../common/cuda/reduce.cuh"

struct Params {
  uint32_t T, C;
  float eps;
};

constexpr uint32_t THREADS = 256;

extern "C" __global__ void __launch_bounds__(THREADS) layer_norm_forward_f32(const float *__restrict__ x,       // [T,C]
                                                                             const float *__restrict__ weight,  // [C]
                                                                             const float *__restrict__ bias,    // [C]
                                                                             float *__restrict__ y,             // [T,C]
                                                                             float *__restrict__ mean,          // [T]
                                                                             float *__restrict__ rstd,          // [T]
                                                                             const Params p) {
  const uint32_t t = blockIdx.x;
  const float *row = x + size_t{t} * p.C;

  float sum = 0.0f;
  for (uint32_t c = threadIdx.x; c < p.C; c += THREADS) sum += row[c];
  const float m = block_sum<THREADS>(sum) / static_cast<float>(p.C);

  float squares = 0.0f;
  for (uint32_t c = threadIdx.x; c < p.C; c += THREADS) {
    const float distance = row[c] - m;
    squares += distance * distance;
  }
  const float r = 1.0f / sqrtf(block_sum<THREADS>(squares) / static_cast<float>(p.C) + p.eps);

  for (uint32_t c = threadIdx.x; c < p.C; c += THREADS) {
    y[size_t{t} * p.C + c] = (row[c] - m) * r * weight[c] + bias[c];
  }
  if (threadIdx.x == 0) {
    mean[t] = m;
    rstd[t] = r;
  }
}
