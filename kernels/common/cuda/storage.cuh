// Storage types of values. Whatever a tensor is stored as, a kernel computes in f32: it loads with `to_float` and stores
// with `from_float`, which rounds to nearest, ties to even.
#pragma once
#include <cstdint>

struct bf16 {
  uint16_t bits;
};
struct f16 {
  uint16_t bits;
};

// N values side by side: one access where N values are 4, 8 or 16 bytes and the address is a multiple of that. More are
// accesses of 16 bytes each: that is what memory is aligned to, and compilers use whatever alignment a type claims.
template <class V, unsigned int N>
struct alignas(sizeof(V) * N < 16 ? sizeof(V) * N : 16) Vector {
  V values[N];
};

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(bf16 value) { return __uint_as_float(uint32_t{value.bits} << 16); }

template <class V>
__device__ V from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}

#ifdef CONSILIUM_SIMT

__device__ inline float to_float(f16 value) {
  _Float16 half;
  __builtin_memcpy(&half, &value, sizeof half);
  return static_cast<float>(half);
}
template <>
__device__ inline f16 from_float<f16>(float value) {
  const auto half = static_cast<_Float16>(value);
  f16 result;
  __builtin_memcpy(&result, &half, sizeof half);
  return result;
}
template <>
__device__ inline bf16 from_float<bf16>(float value) {
  const uint32_t bits = __float_as_uint(value);
  if (value != value) return {0x7fff};  // the NaN of the hardware's conversion
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

#else

__device__ inline float to_float(f16 value) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
}
template <>
__device__ inline f16 from_float<f16>(float value) {
  f16 result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}
template <>
__device__ inline bf16 from_float<bf16>(float value) {
  bf16 result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}

#endif
