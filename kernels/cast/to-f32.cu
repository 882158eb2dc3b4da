// cast/to-f32 (cuda)
// Math      y[i] = x[i] in f32
// Shapes    x [n] · y [n] f32
// Tiling    a thread owns 16 bytes of neighbouring elements of y
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  exact
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n;
};

template <class V>
__device__ void to_f32(const V *x, Value_f32 *y, const Params &p) {
  const Part<PER_THREAD<float>> part(p.n);
  const auto in = part.load(x);
  part.store(y, [&](unsigned int k) { return from_float<Value_f32>(to_float(in.values[k])); });
}

#define CAST_TO_F32(V)                                           \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)  \
      cast_to_f32_##V(const Value_##V *__restrict__ x, /* [n] */ \
                      Value_f32 *__restrict__ y,       /* [n] */ \
                      const Params p) {                          \
    to_f32(x, y, p);                                             \
  }
FOR_FLOATS(CAST_TO_F32)
