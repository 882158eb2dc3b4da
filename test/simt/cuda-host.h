// What a .cu file finds when g++ compiles it for the simulator (scripts/simt-kernels.mjs puts it before the file): the parts
// of CUDA C++ that kernels use, as declarations. What they do is in libcuda-simt.so. Kept small: every kernel file reads it.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define __host__
#define __device__
#define __global__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
// One copy, as blocks run one after another. All that is static in a kernel file is shared memory: scripts/simt-kernels.mjs
// finds these variables in the assembly, parts them, and lists them for the driver.
#define __shared__ static

#define SIMT_VECTOR(T, name, align)                                  \
  struct alignas(align) name##2 {                                    \
    T x, y;                                                          \
  };                                                                 \
  struct name##3 {                                                   \
    T x, y, z;                                                       \
  };                                                                 \
  struct alignas(align * 2 > 16 ? 16 : align * 2) name##4 {          \
    T x, y, z, w;                                                    \
  };                                                                 \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }         \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SIMT_VECTOR(float, float, 8)
SIMT_VECTOR(int, int, 8)
SIMT_VECTOR(unsigned int, uint, 8)
SIMT_VECTOR(short, short, 4)
SIMT_VECTOR(unsigned short, ushort, 4)
SIMT_VECTOR(signed char, char, 2)
SIMT_VECTOR(unsigned char, uchar, 2)
SIMT_VECTOR(double, double, 16)
SIMT_VECTOR(long long, longlong, 16)
SIMT_VECTOR(unsigned long long, ulonglong, 16)
#undef SIMT_VECTOR

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
};

#include "simt.h"

#define threadIdx (simt::thread_index())
#define blockIdx (simt::block_index())
#define blockDim (simt::block_size())
#define gridDim (simt::grid_size())
constexpr int warpSize = 32;

inline void __syncthreads() { simt::barrier(0, 0); }
inline void __syncwarp(unsigned int mask = 0xffffffffu) { simt::sync_warp(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __nanosleep(unsigned int) {}
[[noreturn]] inline void __trap() { simt::trap(); }

// --- Warps ---

template <class T>
inline T simt_shuffle(simt::Shuffle kind, unsigned int mask, T value, unsigned int operand, int width) {
  T result;
  simt::shuffle(kind, mask, &value, &result, sizeof(T), operand, static_cast<unsigned int>(width));
  return result;
}
template <class T>
inline T __shfl_sync(unsigned int mask, T value, int lane, int width = 32) {
  return simt_shuffle(simt::Shuffle::INDEX, mask, value, static_cast<unsigned int>(lane), width);
}
template <class T>
inline T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = 32) {
  return simt_shuffle(simt::Shuffle::UP, mask, value, delta, width);
}
template <class T>
inline T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = 32) {
  return simt_shuffle(simt::Shuffle::DOWN, mask, value, delta, width);
}
template <class T>
inline T __shfl_xor_sync(unsigned int mask, T value, int lanes, int width = 32) {
  return simt_shuffle(simt::Shuffle::XOR, mask, value, static_cast<unsigned int>(lanes), width);
}
inline unsigned int __ballot_sync(unsigned int mask, int predicate) { return simt::ballot(mask, predicate != 0); }
inline int __any_sync(unsigned int mask, int predicate) { return simt::ballot(mask, predicate != 0) != 0; }
inline int __all_sync(unsigned int mask, int predicate) { return simt::ballot(mask, predicate == 0) == 0; }
template <class T>
inline unsigned int __match_any_sync(unsigned int mask, T value) {
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof value);
  return simt::match(mask, bits);
}
#define SIMT_REDUCE(name, kind)                                                                          \
  inline unsigned int name(unsigned int mask, unsigned int value) {                                      \
    return simt::reduce(simt::Reduce::kind, mask, value, false);                                         \
  }                                                                                                      \
  inline int name(unsigned int mask, int value) {                                                        \
    return static_cast<int>(simt::reduce(simt::Reduce::kind, mask, static_cast<uint32_t>(value), true)); \
  }
SIMT_REDUCE(__reduce_add_sync, ADD)
SIMT_REDUCE(__reduce_min_sync, MIN)
SIMT_REDUCE(__reduce_max_sync, MAX)
SIMT_REDUCE(__reduce_and_sync, AND)
SIMT_REDUCE(__reduce_or_sync, OR)
SIMT_REDUCE(__reduce_xor_sync, XOR)
#undef SIMT_REDUCE

// --- Atomics of integers ---

#define SIMT_ATOMIC(name, kind)                                                                               \
  template <class T>                                                                                          \
  inline T name(T *address, T value) {                                                                        \
    static_assert(T(0.5) == T(0), "sums of floats would depend on their order");                              \
    return static_cast<T>(                                                                                    \
        simt::atomic(simt::Atomic::kind, address, sizeof(T), T(-1) < T(0), static_cast<uint64_t>(value), 0)); \
  }
SIMT_ATOMIC(atomicAdd, ADD)
SIMT_ATOMIC(atomicExch, EXCHANGE)
SIMT_ATOMIC(atomicMin, MIN)
SIMT_ATOMIC(atomicMax, MAX)
SIMT_ATOMIC(atomicAnd, AND)
SIMT_ATOMIC(atomicOr, OR)
SIMT_ATOMIC(atomicXor, XOR)
SIMT_ATOMIC(atomicInc, INCREMENT)
SIMT_ATOMIC(atomicDec, DECREMENT)
#undef SIMT_ATOMIC
template <class T>
inline T atomicSub(T *address, T value) {
  return atomicAdd(address, static_cast<T>(0 - static_cast<uint64_t>(value)));
}
template <class T>
inline T atomicCAS(T *address, T compared, T value) {
  return static_cast<T>(simt::atomic(simt::Atomic::COMPARE, address, sizeof(T), false, static_cast<uint64_t>(value),
                                     static_cast<uint64_t>(compared)));
}

// --- Loads and stores with cache hints ---

#define SIMT_LOAD(name)             \
  template <class T>                \
  inline T name(const T *address) { \
    return *address;                \
  }
#define SIMT_STORE(name)                  \
  template <class T>                      \
  inline void name(T *address, T value) { \
    *address = value;                     \
  }
SIMT_LOAD(__ldg)
SIMT_LOAD(__ldcg)
SIMT_LOAD(__ldca)
SIMT_LOAD(__ldcs)
SIMT_LOAD(__ldlu)
SIMT_LOAD(__ldcv)
SIMT_STORE(__stcg)
SIMT_STORE(__stcs)
SIMT_STORE(__stwb)
SIMT_STORE(__stwt)
#undef SIMT_LOAD
#undef SIMT_STORE

#include "cuda-numbers.h"
