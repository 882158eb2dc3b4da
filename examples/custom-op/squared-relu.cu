// y = max(x, 0)² and its gradient, in f32: a thread owns an element.
#include <cstdint>

struct Params {
  uint32_t n;
};

extern "C" __global__ void squared_relu_forward_f32(const float *x, float *y, const Params p) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < p.n) y[i] = x[i] > 0 ? x[i] * x[i] : 0.0f;
}

extern "C" __global__ void squared_relu_backward_f32(const float *dy, const float *x, float *dx, const Params p) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < p.n) dx[i] = x[i] > 0 ? 2 * x[i] * dy[i] : 0.0f;
}
