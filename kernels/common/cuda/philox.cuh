// Philox 4x32-10 (Salmon et al., SC 2011): four random words from a counter and a key, no state.
#pragma once
#include <cstdint>

__device__ inline uint4 philox(uint4 counter, uint2 key) {
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
    const uint32_t high1 = __umulhi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
    counter = make_uint4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
    key.x += 0x9E3779B9u;
    key.y += 0xBB67AE85u;
  }
  return counter;
}

// Words of elements `position` to position + 3 (a multiple of 4, modulo 2^32) of stream `sequence`; `random` is the device's
// u32[4]: seed (two words), offset of the stream, unused.
__device__ inline uint4 random_words(uint32_t position, uint32_t sequence, const uint32_t *random) {
  return philox(make_uint4(position / 4, 0, sequence + random[2], 0), make_uint2(random[0], random[1]));
}

// The word of one element, at any position.
__device__ inline uint32_t random_word(uint32_t position, uint32_t sequence, const uint32_t *random) {
  const uint4 words = random_words(position, sequence, random);
  switch (position % 4) {
    case 0: return words.x;
    case 1: return words.y;
    case 2: return words.z;
    default: return words.w;
  }
}

// 24 random bits as a number in [0, 1).
__device__ inline float uniform(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

// Whether dropout keeps an element: uniform(word) >= rate, a rate below 1, in whole numbers.
__device__ inline bool survives(uint32_t word, float rate) {
  return word >= static_cast<uint32_t>(ceilf(rate * 0x1p24f)) << 8;
}
