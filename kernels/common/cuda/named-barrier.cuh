// Barriers of some warps of a block. `id` is 1 to 15 (0 is that of __syncthreads), `count` the threads that it waits for,
// whole warps, which all say the same.
#pragma once
#include <cstdint>

#ifdef CONSILIUM_SIMT

__device__ inline void named_barrier_sync(uint32_t id, uint32_t count) { simt::barrier(id, count); }
__device__ inline void named_barrier_arrive(uint32_t id, uint32_t count) { simt::arrive(id, count); }

#else

// Comes to the barrier and waits for the others.
__device__ inline void named_barrier_sync(uint32_t id, uint32_t count) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(count) : "memory");
}
// Comes to the barrier and goes on: those that wait may then rely on what this thread has done.
__device__ inline void named_barrier_arrive(uint32_t id, uint32_t count) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(count) : "memory");
}

#endif
