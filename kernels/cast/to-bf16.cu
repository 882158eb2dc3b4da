// cast/to-bf16 (cuda)
// Math      y[i] = x[i] in bf16
// Shapes    x [n] · y [n] bf16
// Tiling    a thread owns 16 bytes of neighbouring elements of f32, also where x is narrower
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  rounds to nearest even
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n;
};

template <class V>
__device__ void to_bf16(const V *x, Value_bf16 *y, const Params &p) {
  const Part<PER_THREAD<float>> part(p.n);
  const auto in = part.load(x);
  part.store(y, [&](unsigned int k) { return from_float<Value_bf16>(to_float(in.values[k])); });
}

#define CAST_TO_BF16(V)                                           \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)   \
      cast_to_bf16_##V(const Value_##V *__restrict__ x, /* [n] */ \
                       Value_bf16 *__restrict__ y,      /* [n] */ \
                       const Params p) {                          \
    to_bf16(x, y, p);                                             \
  }
FOR_FLOATS(CAST_TO_BF16)
