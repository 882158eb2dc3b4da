// cast/to-f16 (cuda)
// Math      y[i] = x[i] in f16
// Shapes    x [n] · y [n] f16
// Tiling    a thread owns 16 bytes of neighbouring elements of f32, also where x is narrower
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  rounds to nearest even
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n;
};

template <class V>
__device__ void to_f16(const V *x, Value_f16 *y, const Params &p) {
  const Part<PER_THREAD<float>> part(p.n);
  const auto in = part.load(x);
  part.store(y, [&](unsigned int k) { return from_float<Value_f16>(to_float(in.values[k])); });
}

#define CAST_TO_F16(V)                                           \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)  \
      cast_to_f16_##V(const Value_##V *__restrict__ x, /* [n] */ \
                      Value_f16 *__restrict__ y,       /* [n] */ \
                      const Params p) {                          \
    to_f16(x, y, p);                                             \
  }
FOR_FLOATS(CAST_TO_F16)
