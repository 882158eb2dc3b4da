// cuda-kernels/rows, for tests of the device (cuda)
// Math      y[t,c] = x[t,c] * weight[c] + bias[c];  scratch[t] = t
// Shapes    x, y [T,C] · weight, bias [C] · scratch [T]
// Method    a block owns a row
// Launch    grid (T), at most 256 threads
#include <cstdint>

struct Params {
  uint32_t T, C;
};

__device__ inline void row(const float *x, const float *weight, const float *bias, float *y, const Params &p) {
  const uint32_t t = blockIdx.x;
  for (uint32_t c = threadIdx.x; c < p.C; c += blockDim.x) {
    y[size_t{t} * p.C + c] = x[size_t{t} * p.C + c] * weight[c] + bias[c];
  }
}

extern "C" __global__ void __launch_bounds__(256)
    rows_f32(const float *__restrict__ x, const float *__restrict__ weight, const float *__restrict__ bias,
             float *__restrict__ y, const Params p) {
  row(x, weight, bias, y, p);
}

extern "C" __global__ void __launch_bounds__(256)
    rows_scratch_f32(const float *__restrict__ x, const float *__restrict__ weight, const float *__restrict__ bias,
                     float *__restrict__ y, uint32_t *__restrict__ scratch, const Params p) {
  row(x, weight, bias, y, p);
  if (threadIdx.x == 0) scratch[blockIdx.x] = blockIdx.x;
}
