// random/normal (cuda)
// Math      y[2j], y[2j+1] = mean + deviation √(-2 log(1 - u[2j])) (cos, sin)(2π u[2j+1]); u uniform in [0, 1), 24 bits
// Shapes    random u32[4] · y [n]
// Tiling    a thread owns 16 bytes of neighbouring elements: one call of philox for four
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  f32; the angle is exact before its sine and cosine
#include "../common/cuda/angle.cuh"
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/philox.cuh"

struct Params {
  uint32_t n;
  float mean, deviation;
  uint32_t sequence;
};

// Two independent numbers of mean 0 and deviation 1.
__device__ inline float2 pair_of(uint32_t distance, uint32_t direction) {
  const float radius = sqrtf(-2.0f * logf(1.0f - uniform(distance)));
  const Angle angle = angle_of_turns(static_cast<uint64_t>(direction & 0xffffff00u) << 32);
  return make_float2(radius * cos_of(angle), radius * sin_of(angle));
}

template <class V>
__device__ void normal(const uint32_t *random, V *y, const Params &p) {
  constexpr unsigned int N = PER_THREAD<V>;
  const Part<N> part(p.n);
  if (part.count == 0) return;
  float normals[N];
#pragma unroll
  for (unsigned int k = 0; k < N; k += 4) {
    const uint4 four = random_words(static_cast<uint32_t>(part.first) + k, p.sequence, random);
    const float2 low = pair_of(four.x, four.y), high = pair_of(four.z, four.w);
    normals[k] = low.x, normals[k + 1] = low.y, normals[k + 2] = high.x, normals[k + 3] = high.y;
  }
  part.store(y, [&](unsigned int k) { return from_float<V>(p.mean + p.deviation * normals[k]); });
}

#define RANDOM_NORMAL(V)                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)        \
      random_normal_##V(const uint32_t *__restrict__ random, /* [4] */ \
                        Value_##V *__restrict__ y,           /* [n] */ \
                        const Params p) {                              \
    normal(random, y, p);                                              \
  }
FOR_FLOATS(RANDOM_NORMAL)
