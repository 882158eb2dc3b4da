// Asks for the line of 128 bytes at an address, which is there, to come into the L2 cache: what is read of it later waits for that
// alone.
#pragma once

#ifdef CONSILIUM_SIMT

__device__ inline void prefetch_line(const void *) {}

#else

__device__ inline void prefetch_line(const void *global) { asm volatile("prefetch.global.L2 [%0];" ::"l"(global)); }

#endif

constexpr unsigned int PREFETCHED_BYTES = 128;
