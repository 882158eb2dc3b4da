// Sums over groups of threads. The order of the additions is fixed, and every thread gets the same bits.
#pragma once
#include "shuffle.cuh"

// Over aligned groups of LANES threads of a warp, a power of two.
template <unsigned int LANES>
__device__ inline float lane_sum(float value) {
  for (unsigned int mask = LANES / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

// Over a block of THREADS threads, whole warps. Every thread of the block must call it.
template <unsigned int THREADS>
__device__ inline float block_sum(float value) {
  constexpr unsigned int WARPS = THREADS / WARP;
  static_assert(THREADS % WARP == 0 && WARPS <= WARP, "whole warps, whose sums fit into one");
  __shared__ float partial[WARPS];
  value = lane_sum<WARP>(value);
  __syncthreads();  // the sums of an earlier call have been read
  if (threadIdx.x % WARP == 0) partial[threadIdx.x / WARP] = value;
  __syncthreads();
  float sum = 0.0f;
  for (unsigned int warp = 0; warp < WARPS; ++warp) sum += partial[warp];
  return sum;
}
