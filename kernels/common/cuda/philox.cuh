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

// The word of element `position` (modulo 2^32) of stream `sequence`; `random` is the device's u32[4]: seed (two words),
// offset of the stream, unused.
__device__ inline uint32_t random_word(uint32_t position, uint32_t sequence, const uint32_t *random) {
  const uint4 words = philox(make_uint4(position / 4, 0, sequence + random[2], 0), make_uint2(random[0], random[1]));
  switch (position % 4) {
    case 0: return words.x;
    case 1: return words.y;
    case 2: return words.z;
    default: return words.w;
  }
}

// Whether dropout keeps an element: (word >> 8) 2^-24 is uniform in [0, 1).
__device__ inline bool survives(uint32_t word, float rate) { return static_cast<float>(word >> 8) * 0x1p-24f >= rate; }
