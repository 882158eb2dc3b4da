// cast/to-int (cuda)
// Math      y[i] = x[i] rounded towards zero; the nearest end of the range where that is outside, 0 for NaN
// Shapes    x [n] · y [n] i32, or u32 where `isUnsigned`
// Tiling    a thread owns 16 bytes of y
// Launch    grid (ceil(n / elements of a block)), 256 threads
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n, isUnsigned;
};

// The bounds are powers of two, which f32 holds: at the upper one itself the conversion would be undefined.
__device__ inline uint32_t to_unsigned(float v) {
  return v >= 4294967296.0f ? 0xffffffffu : v > 0.0f ? static_cast<uint32_t>(v) : 0u;  // NaN is not above 0
}
__device__ inline uint32_t to_signed(float v) {
  if (v >= 2147483648.0f) return 0x7fffffffu;
  if (v <= -2147483648.0f) return 0x80000000u;
  return v == v ? static_cast<uint32_t>(static_cast<int32_t>(v)) : 0u;
}

template <class V>
__device__ void to_int(const V *x, uint32_t *y, const Params &p) {
  const Part<PER_THREAD<uint32_t>> part(p.n);
  const auto in = part.load(x);
  part.store(y, [&](unsigned int k) {
    const float v = to_float(in.values[k]);
    return p.isUnsigned != 0 ? to_unsigned(v) : to_signed(v);
  });
}

#define CAST_TO_INT(V)                                           \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)  \
      cast_to_int_##V(const Value_##V *__restrict__ x, /* [n] */ \
                      uint32_t *__restrict__ y,        /* [n] */ \
                      const Params p) {                          \
    to_int(x, y, p);                                             \
  }
FOR_FLOATS(CAST_TO_INT)
