// A quantised matrix, read as f32: w[n,k] = scale[n, k / group] q[n,k].
// Rows of W words: K integers of BITS bits, two's complement, then K / group scales, bf16; format.ts. A word is within one
// group, which is 32 or 64 elements.
#pragma once
#include "../common/cuda/kernel.cuh"

// Elements of a word.
template <uint32_t BITS>
constexpr uint32_t PER_WORD = 32 / BITS;

// The integers of a word, times scale. An integer below 2^23 is moved into the mantissa of 2^23, which is faster than a
// conversion; flipping its sign bit makes it one without a sign.
template <uint32_t BITS>
__device__ inline void widen(uint32_t word, float scale, float (&values)[PER_WORD<BITS>]) {
  constexpr uint32_t MASK = (1u << BITS) - 1, SIGN = 1u << (BITS - 1);
#pragma unroll
  for (uint32_t i = 0; i < PER_WORD<BITS>; ++i) {
    const uint32_t integer = (word >> BITS * i & MASK) ^ SIGN;
    values[i] = (__uint_as_float(0x4b000000u | integer) - static_cast<float>(0x800000u + SIGN)) * scale;
  }
}

template <uint32_t BITS>
struct QuantizedMatrix {
  const uint32_t *words;  // [N,W]
  uint32_t N, W, K, group;

  __device__ const uint32_t *row(uint32_t n) const { return words + size_t{n} * W; }
  // Scale of element k: a division by a group of 32 or 64 is a shift.
  __device__ float scale(const uint32_t *row, uint32_t k) const {
    const uint32_t g = k >> (group == 64 ? 6 : 5), pair = row[K / PER_WORD<BITS> + g / 2];
    return __uint_as_float(g % 2 ? pair & 0xffff0000u : pair << 16);
  }
};
