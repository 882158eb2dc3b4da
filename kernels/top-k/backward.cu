// top-k/backward (cuda)
// Math      dx[t, indices[t,k]] = dy[t,k], 0 elsewhere
// Shapes    dy [T,K] · indices [T,K] i32 · dx [T,V]
// Method    a block writes zeros to its part of dx, in vectors, then the gradients that belong there: it looks through the
//           indices of every row that it has a part of
// Tiling    a block owns PART elements of dx, of one row or of several
// Launch    grid (T V / PART), 256 threads
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t T, V, K;
};

// Also in kernels.ts.
constexpr unsigned int THREADS = 256, PART = 8192;

template <class V>
__device__ void backward(const V *dy, const int32_t *indices, V *dx, const Params &p) {
  constexpr unsigned int W = 16 / sizeof(V);
  const size_t n = size_t{p.T} * p.V, first = size_t{blockIdx.x} * PART, last = first + PART < n ? first + PART : n;

  for (size_t i = first + threadIdx.x * W; i < last; i += THREADS * W) {
    if (i + W <= last) {
      *reinterpret_cast<Vector<V, W> *>(dx + i) = Vector<V, W>{};
    } else {
      for (size_t j = i; j < last; ++j) dx[j] = V{};
    }
  }
  __syncthreads();

  const size_t end = ((last - 1) / p.V + 1) * p.K;
  for (size_t i = first / p.V * p.K + threadIdx.x; i < end; i += THREADS) {
    const size_t to = i / p.K * p.V + static_cast<uint32_t>(indices[i]);
    if (to >= first && to < last) dx[to] = dy[i];
  }
}

#define TOP_K_BACKWARD(V)                                                                              \
  extern "C" __global__ void __launch_bounds__(THREADS)                                                \
      top_k_backward_##V(const Value_##V *dy, const int32_t *indices, Value_##V *dx, const Params p) { \
    backward(dy, indices, dx, p);                                                                      \
  }
FOR_FLOATS(TOP_K_BACKWARD)
