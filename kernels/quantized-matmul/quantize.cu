// quantized-matmul/quantize (cuda)
// Math      scale = m / -8 (4 bits; m the element of largest size) or |m| / 127 (8 bits), rounded to bf16;
//           q = w / scale, rounded to even, within [-8, 7] or [-127, 127]
// Shapes    weight [N,K] · y [N,W] words, format.ts
// Method    a warp has two groups, whose scales share a word, one after the other: each lane a value or two
// Launch    grid ceil(N ceil(K / 2 group) / 8), 256 threads
// Numerics  f32, with the rounded scale's reciprocal. Of two elements of largest size the first counts
// Limits    finite weights
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/shuffle.cuh"

struct Params {
  uint32_t N, K, W, bits, group;
};

constexpr uint32_t THREADS = 256;

// The element of largest size of a group; values past its end are 0. Every lane gets it.
__device__ inline float largest_of(float first, float second) {
  const uint32_t lane = threadIdx.x % WARP;
  float value = fabsf(second) > fabsf(first) ? second : first;
  uint32_t place = fabsf(second) > fabsf(first) ? WARP + lane : lane;
  for (uint32_t mask = WARP / 2; mask > 0; mask /= 2) {
    const float other = shuffle_xor(value, mask);
    const uint32_t other_place = shuffle_xor(place, mask);
    if (fabsf(other) > fabsf(value) || (fabsf(other) == fabsf(value) && other_place < place)) {
      value = other;
      place = other_place;
    }
  }
  return value;
}

// A lane's integer, among those of the other lanes whose integers share its word. Lanes at its beginning store it.
__device__ inline void store_word(uint32_t *words, float value, float inverse, uint32_t bits) {
  const uint32_t lane = threadIdx.x % WARP, per_word = 32 / bits, within = lane % per_word;
  const float least = bits == 4 ? -8.0f : -127.0f, most = bits == 4 ? 7.0f : 127.0f;
  const float q = fminf(most, fmaxf(least, rintf(value * inverse)));
  uint32_t word = (static_cast<uint32_t>(static_cast<int32_t>(q)) & ((1u << bits) - 1)) << within * bits;
  for (uint32_t mask = per_word / 2; mask > 0; mask /= 2) word |= shuffle_xor(word, mask);
  if (within == 0) words[lane / per_word] = word;
}

template <class V>
__device__ inline void quantize(const V *weight, uint32_t *y, const Params &p) {
  const uint32_t pairs = (p.K + 2 * p.group - 1) / (2 * p.group), lane = threadIdx.x % WARP;
  const uint32_t at = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP, n = at / pairs, pair = at % pairs;
  if (n >= p.N) return;
  uint32_t *const row = y + size_t{n} * p.W;
  uint32_t scales = 0;
  for (uint32_t half = 0; half < 2; ++half) {
    const uint32_t k = (2 * pair + half) * p.group;
    if (k >= p.K) break;
    const V *const from = weight + size_t{n} * p.K + k;
    const bool two = p.group > WARP;
    const float first = to_float(from[lane]), second = two ? to_float(from[WARP + lane]) : 0.0f;
    const float largest = largest_of(first, second);
    const bf16 stored = from_float<bf16>(p.bits == 4 ? largest / -8.0f : fabsf(largest) / 127.0f);
    const float scale = to_float(stored), inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
    uint32_t *const words = row + k * p.bits / 32;
    store_word(words, first, inverse, p.bits);
    if (two) store_word(words + p.bits, second, inverse, p.bits);
    scales |= uint32_t{stored.bits} << 16 * half;
  }
  if (lane == 0) row[p.K * p.bits / 32 + pair] = scales;
}

#define QUANTIZE(V)                                                                         \
  extern "C" __global__ void __launch_bounds__(THREADS)                                     \
      quantized_matmul_quantize_##V(const Value_##V *weight, uint32_t *y, const Params p) { \
    quantize(weight, y, p);                                                                 \
  }
FOR_FLOATS(QUANTIZE)
