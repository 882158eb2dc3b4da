// What groups of threads have in common: sums, maxima, the foremost entry. The order in which values are joined is fixed,
// and every thread gets the same bits.
#pragma once
#include <cstdint>

#include "shuffle.cuh"

// Over aligned groups of LANES threads of a warp, a power of two. `join` takes two values of T, of any order.
template <unsigned int LANES, class T, class Join>
__device__ inline T lane_join(T value, Join join) {
#pragma unroll
  for (unsigned int mask = LANES / 2; mask > 0; mask /= 2) value = join(value, shuffle_xor(value, mask));
  return value;
}

// Over a block of whole warps. Every thread of the block must call it.
template <class T, class Join>
__device__ inline T block_join(T value, Join join) {
  __shared__ T partial[WARP];
  value = lane_join<WARP>(value, join);
  __syncthreads();  // what an earlier call left has been read
  if (threadIdx.x % WARP == 0) partial[threadIdx.x / WARP] = value;
  __syncthreads();
  T result = partial[0];
  for (unsigned int warp = 1; warp < blockDim.x / WARP; ++warp) result = join(result, partial[warp]);
  return result;
}

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
// A NaN is skipped. Of two integers, such as entries of order.cuh, the larger.
struct Maximum {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
  __device__ uint64_t operator()(uint64_t a, uint64_t b) const { return a > b ? a : b; }
};

template <unsigned int LANES>
__device__ inline float lane_sum(float value) {
  return lane_join<LANES>(value, Sum());
}
template <unsigned int LANES>
__device__ inline float lane_max(float value) {
  return lane_join<LANES>(value, Maximum());
}

// Over a block of THREADS threads, whole warps. Every thread of the block must call it.
template <unsigned int THREADS>
__device__ inline float block_sum(float value) {
  static_assert(THREADS % WARP == 0 && THREADS / WARP <= WARP, "whole warps, whose sums fit into one");
  return block_join(value, Sum());
}
