#include <consilium/kernel.h>

template <class T>
void squared_relu_forward(const uint32_t &, consilium::Cells cells, const T *x, T *y) {
  for (size_t i : cells) y[i] = x[i] > 0 ? x[i] * x[i] : 0.0f;
}
CONSILIUM_KERNEL(squared_relu_forward)

template <class T>
void squared_relu_backward(const uint32_t &, consilium::Cells cells, const T *dy, const T *x, T *dx) {
  for (size_t i : cells) dx[i] = x[i] > 0 ? 2 * x[i] * dy[i] : 0.0f;
}
CONSILIUM_KERNEL(squared_relu_backward)
