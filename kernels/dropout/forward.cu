// dropout/forward (cuda)
// Math      y[i] = x[i] / (1 - rate) where u[i / span] >= rate, else 0; u uniform in [0, 1), 24 bits
// Shapes    x, y [n] · random u32[4]
// Method    span 1: four elements take the four words of one call of philox; longer spans: a call for each span met
// Tiling    a thread owns 16 bytes of neighbouring elements
// Launch    grid (ceil(n / elements of a block)), 256 threads
// Numerics  f32; the mask is exact
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/philox.cuh"

struct Params {
  uint32_t n, span;
  float rate;
  uint32_t sequence;
};

template <class V>
__device__ void forward(const V *x, const uint32_t *random, V *y, const Params &p) {
  constexpr unsigned int N = PER_THREAD<V>;
  const Part<N> part(p.n);
  if (part.count == 0) return;
  const auto first = static_cast<uint32_t>(part.first);
  uint32_t words[N];
  if (p.span == 1) {
#pragma unroll
    for (unsigned int k = 0; k < N; k += 4) {
      const uint4 four = random_words(first + k, p.sequence, random);
      words[k] = four.x, words[k + 1] = four.y, words[k + 2] = four.z, words[k + 3] = four.w;
    }
  } else {
    uint32_t span = first / p.span, left = (span + 1) * p.span - first;
    words[0] = random_word(span, p.sequence, random);
#pragma unroll
    for (unsigned int k = 1; k < N; ++k) {
      words[k] = words[k - 1];
      if (--left != 0) continue;
      left = p.span;
      words[k] = random_word(++span, p.sequence, random);
    }
  }
  const float keep = 1.0f / (1.0f - p.rate);
  const auto in = part.load(x);
  // A choice, since infinity times 0 is NaN.
  part.store(y, [&](unsigned int k) {
    return from_float<V>(survives(words[k], p.rate) ? to_float(in.values[k]) * keep : 0.0f);
  });
}

#define DROPOUT_FORWARD(V)                                               \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)          \
      dropout_forward_##V(const Value_##V *__restrict__ x,     /* [n] */ \
                          const uint32_t *__restrict__ random, /* [4] */ \
                          Value_##V *__restrict__ y,           /* [n] */ \
                          const Params p) {                              \
    forward(x, random, y, p);                                            \
  }
FOR_FLOATS(DROPOUT_FORWARD)
