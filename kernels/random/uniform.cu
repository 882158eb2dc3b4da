// random/uniform (cuda)
// Math      y[i] = low + (high - low) u[i]; u uniform in [0, 1), 24 bits
// Shapes    random u32[4] · y [n]
// Tiling    a thread owns 16 bytes of neighbouring elements: one call of philox for four
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  u is exact; f32, rounds once
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/philox.cuh"

struct Params {
  uint32_t n;
  float low, high;
  uint32_t sequence;
};

template <class V>
__device__ void uniform_elements(const uint32_t *random, V *y, const Params &p) {
  constexpr unsigned int N = PER_THREAD<V>;
  const Part<N> part(p.n);
  if (part.count == 0) return;
  uint32_t words[N];
#pragma unroll
  for (unsigned int k = 0; k < N; k += 4) {
    const uint4 four = random_words(static_cast<uint32_t>(part.first) + k, p.sequence, random);
    words[k] = four.x, words[k + 1] = four.y, words[k + 2] = four.z, words[k + 3] = four.w;
  }
  const float width = p.high - p.low;
  part.store(y, [&](unsigned int k) { return from_float<V>(fmaf(uniform(words[k]), width, p.low)); });
}

#define RANDOM_UNIFORM(V)                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)         \
      random_uniform_##V(const uint32_t *__restrict__ random, /* [4] */ \
                         Value_##V *__restrict__ y,           /* [n] */ \
                         const Params p) {                              \
    uniform_elements(random, y, p);                                     \
  }
FOR_FLOATS(RANDOM_UNIFORM)
