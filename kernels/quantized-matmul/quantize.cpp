// quantized-matmul/quantize (cpu)
// Math      scale = m / -8 (4 bits; m the element of largest size) or |m| / 127 (8 bits), rounded to bf16;
//           q = w / scale, rounded to even, within [-8, 7] or [-127, 127]
// Shapes    weight [N,K] · y [N,W] words, format.ts
// Tiling    a cell is a row
// Numerics  f32, with the rounded scale's reciprocal. Of two elements of largest size the first counts
// Limits    finite weights
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantized-matmul/quantize.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/cpu/simd.h"

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {

struct Params {
  uint32_t N, K, W, bits, group;
};

// Elements of one group, as integers into words; returns the bits of the scale.
HWY_INLINE uint32_t quantize_group(const float *w, size_t group, uint32_t bits, uint32_t *words) {
  float largest = 0;
  for (size_t i = 0; i < group; ++i)
    if (std::fabs(w[i]) > std::fabs(largest)) largest = w[i];
  bf16 stored;
  store1(bits == 4 ? largest / -8 : std::fabs(largest) / 127, &stored);
  const float scale = load1(&stored), inverse = scale == 0 ? 0 : 1 / scale;
  const float least = bits == 4 ? -8.0f : -127.0f, most = bits == 4 ? 7.0f : 127.0f;
  const size_t per_word = 32 / bits;
  for (size_t i = 0; i < group; i += per_word) {
    uint32_t word = 0;
    for (size_t j = 0; j < per_word; ++j) {
      const float q = std::nearbyint(w[i + j] * inverse);
      const auto code = static_cast<uint32_t>(static_cast<int32_t>(q < least ? least : q > most ? most : q));
      word |= (code & ((1u << bits) - 1)) << (j * bits);
    }
    words[i / per_word] = word;
  }
  return stored.bits;
}

template <class T>
void quantized_matmul_quantize(KERNEL_ARGS) {
  const auto &p = *static_cast<const Params *>(params);
  const auto *weight = static_cast<const T *>(buffers[0]);  // [N,K]
  auto *y = static_cast<uint32_t *>(buffers[1]);            // [N,W]
  float values[64];
  for (size_t n = begin; n < end; ++n) {
    const T *row = weight + n * p.K;
    uint32_t *words = y + n * p.W, *pairs = words + p.K * p.bits / 32;
    for (size_t g = 0; g < p.K / p.group; ++g) {
      for (size_t i = 0; i < p.group; ++i) values[i] = load1(row + g * p.group + i);
      const uint32_t scale = quantize_group(values, p.group, p.bits, words + g * p.group * p.bits / 32);
      pairs[g / 2] = g % 2 ? pairs[g / 2] | scale << 16 : scale;
    }
  }
}
KERNEL_TARGETS(quantized_matmul_quantize)

}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
KERNEL_REGISTER(quantized_matmul_quantize)
#endif
