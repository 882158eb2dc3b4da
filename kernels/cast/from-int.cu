// cast/from-int (cuda)
// Math      y[i] = x[i]
// Shapes    x [n] i32, or u32 where `isUnsigned` · y [n]
// Tiling    a thread owns 16 bytes of x
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  rounds to f32, then to the storage type, to nearest even each time
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n, isUnsigned;
};

template <class V>
__device__ void from_int(const uint32_t *x, V *y, const Params &p) {
  const Part<PER_THREAD<uint32_t>> part(p.n);
  const auto in = part.load(x);
  part.store(y, [&](unsigned int k) {
    const uint32_t v = in.values[k];
    return from_float<V>(p.isUnsigned != 0 ? static_cast<float>(v) : static_cast<float>(static_cast<int32_t>(v)));
  });
}

#define CAST_FROM_INT(V)                                          \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)   \
      cast_from_int_##V(const uint32_t *__restrict__ x, /* [n] */ \
                        Value_##V *__restrict__ y,      /* [n] */ \
                        const Params p) {                         \
    from_int(x, y, p);                                            \
  }
FOR_FLOATS(CAST_FROM_INT)
