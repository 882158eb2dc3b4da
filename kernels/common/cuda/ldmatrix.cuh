// 8 × 8 matrices of 16-bit values between shared memory and the fragments of mma.cuh. Every thread of the warp must call
// these. Lanes 8 i to 8 i + 7 name the rows of matrix i, 16 bytes each, aligned; what later lanes name is ignored. Lane
// 4 g + t holds columns 2t and 2t + 1 of row g of it in r[i], or, with _trans, rows 2t and 2t + 1 of column g.
#pragma once
#include <cstdint>

#ifdef CONSILIUM_SIMT

__device__ inline void ldmatrix_x1(uint32_t (&r)[1], const void *shared) { simt::load_matrices(1, false, shared, r); }
__device__ inline void ldmatrix_x2(uint32_t (&r)[2], const void *shared) { simt::load_matrices(2, false, shared, r); }
__device__ inline void ldmatrix_x4(uint32_t (&r)[4], const void *shared) { simt::load_matrices(4, false, shared, r); }
__device__ inline void ldmatrix_x1_trans(uint32_t (&r)[1], const void *shared) {
  simt::load_matrices(1, true, shared, r);
}
__device__ inline void ldmatrix_x2_trans(uint32_t (&r)[2], const void *shared) {
  simt::load_matrices(2, true, shared, r);
}
__device__ inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void *shared) {
  simt::load_matrices(4, true, shared, r);
}
__device__ inline void stmatrix_x1(void *shared, const uint32_t (&r)[1]) { simt::store_matrices(1, false, shared, r); }
__device__ inline void stmatrix_x2(void *shared, const uint32_t (&r)[2]) { simt::store_matrices(2, false, shared, r); }
__device__ inline void stmatrix_x4(void *shared, const uint32_t (&r)[4]) { simt::store_matrices(4, false, shared, r); }
__device__ inline void stmatrix_x4_trans(void *shared, const uint32_t (&r)[4]) {
  simt::store_matrices(4, true, shared, r);
}

#else

__device__ inline uint32_t shared_address(const void *shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

__device__ inline void ldmatrix_x1(uint32_t (&r)[1], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
               : "=r"(r[0])
               : "r"(shared_address(shared))
               : "memory");
}
__device__ inline void ldmatrix_x2(uint32_t (&r)[2], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(shared))
               : "memory");
}
__device__ inline void ldmatrix_x4(uint32_t (&r)[4], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared))
               : "memory");
}
__device__ inline void ldmatrix_x1_trans(uint32_t (&r)[1], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
               : "=r"(r[0])
               : "r"(shared_address(shared))
               : "memory");
}
__device__ inline void ldmatrix_x2_trans(uint32_t (&r)[2], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(shared))
               : "memory");
}
__device__ inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared))
               : "memory");
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
__device__ inline void stmatrix_x1(void *shared, const uint32_t (&r)[1]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%0], {%1};" ::"r"(shared_address(shared)), "r"(r[0])
               : "memory");
}
__device__ inline void stmatrix_x2(void *shared, const uint32_t (&r)[2]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(shared_address(shared)), "r"(r[0]),
               "r"(r[1])
               : "memory");
}
__device__ inline void stmatrix_x4(void *shared, const uint32_t (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared_address(shared)),
               "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}
__device__ inline void stmatrix_x4_trans(void *shared, const uint32_t (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared_address(shared)),
               "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}
#endif

#endif
