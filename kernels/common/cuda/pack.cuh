// Two values of 16 bits as one word, the first in the low half, as the operands of the tensor cores hold them.
#pragma once
#include "storage.cuh"

#ifdef CONSILIUM_SIMT

template <class V>
__device__ inline uint32_t pack(float low, float high) {
  return uint32_t{from_float<V>(low).bits} | uint32_t{from_float<V>(high).bits} << 16;
}

#else

template <class V>
__device__ uint32_t pack(float low, float high);
template <>
__device__ inline uint32_t pack<bf16>(float low, float high) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}
template <>
__device__ inline uint32_t pack<f16>(float low, float high) {
  uint32_t word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

#endif
