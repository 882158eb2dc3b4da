// Elements of a six-dimensional grid, numbered row-major, and where two operands have them by strides.
#pragma once
#include <cstdint>

struct Offsets {
  size_t a, b;
};

// Outermost dimension first; strides in elements.
struct Grid {
  uint32_t size[6], a[6], b[6];

  // Dimensions of one element, which fill a grid of fewer than six, cost no division.
  __device__ Offsets at(uint32_t element) const {
    Offsets offsets = {0, 0};
#pragma unroll
    for (int k = 5; k >= 0; --k) {
      if (size[k] == 1) continue;
      const uint32_t rest = element / size[k], index = element - rest * size[k];
      offsets.a += size_t{index} * a[k];
      offsets.b += size_t{index} * b[k];
      element = rest;
    }
    return offsets;
  }
};

// Whether elements come in groups of N that neither leave a row nor begin, in an operand with these strides, anywhere but
// at a multiple of N from its start; `stride` is of the innermost dimension, where 0 repeats one element.
template <unsigned int N>
__device__ inline bool in_groups(const uint32_t (&size)[6], const uint32_t (&stride)[6]) {
  if (size[5] % N != 0) return false;
  if (stride[5] == 0) return true;
  return stride[5] == 1 && (stride[0] | stride[1] | stride[2] | stride[3] | stride[4]) % N == 0;
}
