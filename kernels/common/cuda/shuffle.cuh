// Exchange between the threads of a warp. Every thread of the warp must call these.
#pragma once

constexpr unsigned int WARP = 32;
constexpr unsigned int ALL_LANES = 0xffffffffu;

// The value of the lane whose number differs in the bits of `mask`.
template <class T>
__device__ inline T shuffle_xor(T value, unsigned int mask) {
  return __shfl_xor_sync(ALL_LANES, value, static_cast<int>(mask));
}
