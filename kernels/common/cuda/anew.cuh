// A value that the compiler knows nothing of: what follows from it is computed where it is used, over and over. In a loop that
// is short of registers, what it needs in a rare branch would otherwise be computed before the loop and kept.
#pragma once
#include <cstdint>

#ifdef CONSILIUM_SIMT

__device__ inline uint32_t anew(uint32_t value) { return value; }

#else

__device__ inline uint32_t anew(uint32_t value) {
  asm volatile("" : "+r"(value));
  return value;
}

#endif
