// Sine and cosine of any finite angle within 2 units in the last place. The library's sinf and cosf keep a table of their
// own in local memory; here it stays constant. Polynomials: Cephes (Moshier, single precision).
#pragma once
#include "finite.cuh"

// Quarter turns, and what is left, in [-π/4, π/4].
struct Angle {
  uint32_t quarters;
  float rest;
};

// From a fraction of a turn, turns · 2^-64.
__device__ inline Angle angle_of_turns(uint64_t turns) {
  const auto quarters = static_cast<uint32_t>((turns + (uint64_t{1} << 61)) >> 62);
  const uint64_t left = turns - (static_cast<uint64_t>(quarters) << 62);
  const bool negative = left >> 63 != 0;
  const uint64_t size = negative ? ~left : left;
  const int shift = min(__clz(static_cast<int>(size >> 32)), 31);
  const auto digits = static_cast<uint32_t>(size << shift >> 32);
  const float unit = __uint_as_float(static_cast<uint32_t>(95 - shift) << 23);  // 2^(-32 - shift)
  const float rest = static_cast<float>(digits) * unit * 6.28318531f;
  return {quarters, negative ? -rest : rest};
}

// 32 binary digits of 1 / 2π from `position` on, after 32 zeros.
__device__ inline uint32_t inverse_turn(uint32_t position) {
  constexpr uint32_t WORDS[] = {0u,          0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u,
                                0x36d8a566u, 0x4f10e410u, 0x7f9458eau, 0xf7aef158u};
  const uint32_t at = position / 32, shift = position % 32;
  const uint64_t two = uint64_t{WORDS[at]} << 32 | WORDS[at + 1];
  return static_cast<uint32_t>(two << shift >> 32);
}

// Payne and Hanek's reduction of |x|, x finite: m 2^e is multiplied with those 96 digits of 1 / 2π that decide the fraction
// of a turn, in whole numbers.
__device__ inline Angle angle_of(float x) {
  const uint32_t bits = __float_as_uint(x) & 0x7fffffffu;
  if (bits < 0x3f490fdbu) return {0u, fabsf(x)};  // π/4
  const uint64_t m = (bits & 0x007fffffu) | 0x00800000u;
  const uint32_t first = (bits >> 23) - 118u;  // e + 32, for the zeros in front
  const uint64_t high = m * inverse_turn(first) << 32;
  return angle_of_turns(high + m * inverse_turn(first + 32) + (m * inverse_turn(first + 64) >> 32));
}

__device__ inline float sin_of(Angle angle) {
  const float r = angle.rest, s = r * r;
  const float sine = ((-1.9515295891e-4f * s + 8.3321608736e-3f) * s - 1.6666654611e-1f) * s * r + r;
  const float cosine = ((2.443315712e-5f * s - 1.388731625e-3f) * s + 4.166664568e-2f) * s * s - 0.5f * s + 1.0f;
  const float size = (angle.quarters & 1u) != 0 ? cosine : sine;
  return (angle.quarters & 2u) != 0 ? -size : size;
}
__device__ inline float cos_of(Angle angle) { return sin_of({angle.quarters + 1u, angle.rest}); }

// NaN where x is not finite.
__device__ inline float sine(float x) {
  if (!is_finite(x)) return x - x;
  const float size = sin_of(angle_of(x));
  return x < 0.0f ? -size : size;
}
__device__ inline float cosine(float x) { return is_finite(x) ? cos_of(angle_of(x)) : x - x; }
