// grad-norm/partial (cuda)
// Math      partials[offset + k] = Σ x[i]² over i in block k of 16,384 elements
// Shapes    x [n] · partials [count] f32
// Tiling    a block owns a block; a thread owns every 256th vector of 16 bytes of it
// Launch    grid (ceil(n / 16384)), 256 threads
// Numerics  f32; the order of the sum depends on n only
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/reduce.cuh"
#include "../common/cuda/rows.cuh"

struct Params {
  uint32_t n, offset, count;
};

constexpr uint32_t THREADS = 256;
constexpr uint32_t BLOCK = 16384;  // also in kernels.ts

template <class V>
__device__ void partial(const V *x, float *partials, const Params &p) {
  const size_t first = size_t{blockIdx.x} * BLOCK;
  const auto length = static_cast<uint32_t>(min(size_t{BLOCK}, p.n - first));
  float squares[16 / sizeof(V)] = {};
  for_row(x + first, length, threadIdx.x, THREADS,
          [&](uint32_t, V value, unsigned int k) { squares[k] += to_float(value) * to_float(value); });
  for (unsigned int k = 1; k < 16 / sizeof(V); ++k) squares[0] += squares[k];
  const float sum = block_sum<THREADS>(squares[0]);
  if (threadIdx.x == 0) partials[p.offset + blockIdx.x] = sum;
}

#define GRAD_NORM_PARTIAL(V)                                               \
  extern "C" __global__ void __launch_bounds__(THREADS)                    \
      grad_norm_partial_##V(const Value_##V *__restrict__ x, /* [n] */     \
                            float *__restrict__ partials,    /* [count] */ \
                            const Params p) {                              \
    partial(x, partials, p);                                               \
  }
FOR_FLOATS(GRAD_NORM_PARTIAL)
