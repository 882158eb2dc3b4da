// Copies from global to shared memory that go on while the thread does. They are there once a thread has waited for their
// group, and for other threads after a barrier behind that. Both sides are aligned to the size of the copy; bytes from
// valid_bytes on become zero, and their source is not read.
#pragma once
#include <cstdint>

#ifdef CONSILIUM_SIMT

__device__ inline void cp_async_16(void *shared, const void *global, uint32_t valid_bytes) {
  simt::copy_async(shared, global, 16, valid_bytes);
}
__device__ inline void cp_async_8(void *shared, const void *global, uint32_t valid_bytes) {
  simt::copy_async(shared, global, 8, valid_bytes);
}
__device__ inline void cp_async_4(void *shared, const void *global, uint32_t valid_bytes) {
  simt::copy_async(shared, global, 4, valid_bytes);
}
__device__ inline void cp_async_commit() { simt::commit_copies(); }
template <int PENDING>
__device__ inline void cp_async_wait() {
  simt::wait_copies(PENDING);
}
__device__ inline void cp_async_wait_all() { simt::wait_all_copies(); }

#else

// Past L1: what a block copies in one piece it reads from shared memory.
__device__ inline void cp_async_16(void *shared, const void *global, uint32_t valid_bytes) {
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
      "l"(global), "r"(valid_bytes)
      : "memory");
}
__device__ inline void cp_async_8(void *shared, const void *global, uint32_t valid_bytes) {
  asm volatile(
      "cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
      "l"(global), "r"(valid_bytes)
      : "memory");
}
__device__ inline void cp_async_4(void *shared, const void *global, uint32_t valid_bytes) {
  asm volatile(
      "cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
      "l"(global), "r"(valid_bytes)
      : "memory");
}
// Ends a group.
__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most PENDING groups of this thread are not done.
template <int PENDING>
__device__ inline void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}
// Waits for all copies of this thread, in a group or not.
__device__ inline void cp_async_wait_all() { asm volatile("cp.async.wait_all;" ::: "memory"); }

#endif
