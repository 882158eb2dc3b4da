// Activations by code: kernels/matmul/activation.ts.
#pragma once
#include <cstdint>

// Finite for every x: expf overflows to infinity, whose reciprocal is the limit 0.
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ inline float activate(uint32_t code, float x) {
  switch (code) {
    case 1: return 0.5f * x * (1.0f + erff(x * 0.70710678f));                             // gelu
    case 2: return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));  // geluTanh
    case 3: return x * sigmoid(1.702f * x);                                               // quickGelu
    case 4: return x * sigmoid(x);                                                        // silu
    case 5: return tanhf(x);                                                              // tanh
    case 6: return x < 0.0f ? 0.0f : x;                                                   // relu: NaN stays
    default: return x;
  }
}
