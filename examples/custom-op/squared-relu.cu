#include <consilium/kernel.cuh>

struct Params {
  uint32_t n;
};

template <class V>
__device__ void forward(const V *x, V *y, const Params &p) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= p.n) return;
  const float value = fmaxf(to_float(x[i]), 0.0f);
  y[i] = from_float<V>(value * value);
}

template <class V>
__device__ void backward(const V *dy, const V *x, V *dx, const Params &p) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < p.n) dx[i] = from_float<V>(2 * fmaxf(to_float(x[i]), 0.0f) * to_float(dy[i]));
}

#define SQUARED_RELU(V)                                                                                        \
  extern "C" __global__ void squared_relu_forward_##V(const Value_##V *x, Value_##V *y, const Params p) {      \
    forward(x, y, p);                                                                                          \
  }                                                                                                            \
  extern "C" __global__ void squared_relu_backward_##V(const Value_##V *dy, const Value_##V *x, Value_##V *dx, \
                                                       const Params p) {                                       \
    backward(dy, x, dx, p);                                                                                    \
  }
FOR_FLOATS(SQUARED_RELU)
