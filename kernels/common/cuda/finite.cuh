// Tests of what a float is.
#pragma once
#include <cstdint>

// Neither infinite nor NaN.
__device__ inline bool is_finite(float x) { return (__float_as_uint(x) & 0x7fffffffu) < 0x7f800000u; }
