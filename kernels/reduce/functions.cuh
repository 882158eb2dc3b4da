// Reductions by the codes of functions.ts. Selects, since fmaxf and fminf take the other number for NaN.
#pragma once

struct ReduceSum {
  static __device__ float identity() { return 0.0f; }
  static __device__ float combine(float a, float b) { return a + b; }
};
struct ReduceMaximum {
  static __device__ float identity() { return __uint_as_float(0xff800000u); }  // -infinity
  static __device__ float combine(float a, float b) { return a > b || a != a ? a : b; }
};
struct ReduceMinimum {
  static __device__ float identity() { return __uint_as_float(0x7f800000u); }  // infinity
  static __device__ float combine(float a, float b) { return a < b || a != a ? a : b; }
};

// Calls g with the reduction of a code.
template <class G>
__device__ inline void with_reduction(uint32_t f, G g) {
  if (f == 0)
    g(ReduceSum());
  else if (f == 1)
    g(ReduceMaximum());
  else
    g(ReduceMinimum());
}
