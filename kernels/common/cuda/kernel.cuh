// What every kernel file begins with: storage types, and how one body becomes a kernel for each of them.
//
//   template <class V>
//   __device__ void forward(const V *x, V *y, const Params &p) { ... }
//
//   #define SILU_FORWARD(V)                                                                       \
//     extern "C" __global__ void __launch_bounds__(THREADS)                                       \
//         silu_forward_##V(const Value_##V *x, Value_##V *y, const Params p) { forward(x, y, p); }
//   FOR_FLOATS(SILU_FORWARD)
#pragma once
#include "storage.cuh"

// The storage type behind the suffix of a symbol.
using Value_f32 = float;
using Value_bf16 = bf16;
using Value_f16 = f16;

#define FOR_FLOATS(DEFINE) DEFINE(f32) DEFINE(bf16) DEFINE(f16)
// Kernels of the tensor cores, whose operands are 16 bits wide.
#define FOR_HALVES(DEFINE) DEFINE(bf16) DEFINE(f16)

// Dynamic shared memory, aligned for the bulk copies: as many bytes as the launch's `sharedBytes`.
#ifdef CONSILIUM_SIMT
#define DYNAMIC_SHARED(name) unsigned char *const name = simt::dynamic_shared()
#else
#define DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
#endif
