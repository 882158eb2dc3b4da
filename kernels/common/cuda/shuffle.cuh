// Exchange between the threads of a warp. Every thread of the warp must call these.
#pragma once

constexpr unsigned int WARP = 32;
constexpr unsigned int ALL_LANES = 0xffffffffu;

// The value of the lane whose number differs in the bits of `mask`.
template <class T>
__device__ inline T shuffle_xor(T value, unsigned int mask) {
  return __shfl_xor_sync(ALL_LANES, value, static_cast<int>(mask));
}
// The value of lane `lane`.
template <class T>
__device__ inline T shuffle(T value, unsigned int lane) {
  return __shfl_sync(ALL_LANES, value, static_cast<int>(lane));
}
// The value of the lane `delta` below; the own one where there is none.
template <class T>
__device__ inline T shuffle_up(T value, unsigned int delta) {
  return __shfl_up_sync(ALL_LANES, value, delta);
}
// The value of the lane `delta` above; the own one where there is none.
template <class T>
__device__ inline T shuffle_down(T value, unsigned int delta) {
  return __shfl_down_sync(ALL_LANES, value, delta);
}

// The lanes where the predicate holds, as bits.
__device__ inline unsigned int lanes_where(bool predicate) { return __ballot_sync(ALL_LANES, predicate); }
__device__ inline bool any_lane(bool predicate) { return __any_sync(ALL_LANES, predicate) != 0; }
__device__ inline bool all_lanes(bool predicate) { return __all_sync(ALL_LANES, predicate) != 0; }
