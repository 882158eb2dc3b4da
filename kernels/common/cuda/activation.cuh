// Activations and their derivatives, and the u32 codes by which kernels take one (kernels/matmul/activation.ts), with the
// formulas of common/cpu/activation.h. Finite for every finite x: expf overflows to infinity, whose reciprocal is the
// limit 0. NaN stays NaN.
#pragma once
#include <cstdint>

// exp(-x²/2)
__device__ inline float gauss(float x) { return expf(-0.5f * x * x); }

// Φ(x), given e = exp(-x²/2). The tail Φ(-t) = e q(t), q a polynomial in 1 / (1 + 0.34 t), so that it keeps its relative
// accuracy far out, where 1 + erf would cancel.
__device__ inline float normal_cdf(float x, float e) {
  const float u = 1.0f / (1.0f + 0.34f * fabsf(x));
  float q = -2.612046525e-02f;
  q = q * u + 1.394994557e-01f;
  q = q * u - 2.731326520e-01f;
  q = q * u + 2.021825761e-01f;
  q = q * u - 4.471838474e-02f;
  q = q * u + 1.153591350e-01f;
  q = q * u + 1.151976660e-01f;
  q = q * u + 1.361121982e-01f;
  q = q * u + 1.356205046e-01f;
  const float tail = q * u * e;
  return x < 0.0f ? tail : 1.0f - tail;
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// An activation and its derivative: what they share is computed once, and what is not asked for is not computed.
struct ValueAndSlope {
  float value, slope;
};

__device__ inline ValueAndSlope gelu(float x) {
  const float e = gauss(x), cdf = normal_cdf(x, e);
  return {x * cdf, 0.39894228f * x * e + cdf};
}

// (1 + tanh z)/2 = σ(2z), z = √(2/π) (x + 0.044715 x³)
__device__ inline ValueAndSlope gelu_tanh(float x) {
  const float s = sigmoid(x * (0.0713548163f * x * x + 1.59576912f));
  // x σ (1 - σ) first, which is 0 far out: x slope would overflow there, and slope itself.
  return {x * s, x * s * (1.0f - s) * fminf(0.214064449f * x * x + 1.59576912f, 3e38f) + s};
}

// x σ(c x): SiLU for c = 1, quick GELU for c = 1.702
__device__ inline ValueAndSlope swish(float x, float c) {
  const float s = sigmoid(c * x);
  return {x * s, x * s * (1.0f - s) * c + s};
}

__device__ inline ValueAndSlope hyperbolic_tangent(float x) {
  const float t = tanhf(x);
  return {t, 1.0f - t * t};
}

// A select and not fmaxf, so that NaN stays NaN.
__device__ inline ValueAndSlope relu(float x) { return {x < 0.0f ? 0.0f : x, x > 0.0f ? 1.0f : 0.0f}; }

// Calls `use` with the function of `code`, x to ValueAndSlope: one branch for all values that it is applied to.
template <class Use>
__device__ inline void with_activation(uint32_t code, const Use &use) {
  switch (code) {
    case 1: return use([](float x) { return gelu(x); });
    case 2: return use([](float x) { return gelu_tanh(x); });
    case 3: return use([](float x) { return swish(x, 1.702f); });
    case 4: return use([](float x) { return swish(x, 1.0f); });
    case 5: return use([](float x) { return hyperbolic_tangent(x); });
    case 6: return use([](float x) { return relu(x); });
    default: return use([](float x) { return ValueAndSlope{x, 1.0f}; });
  }
}

__device__ inline float activate(uint32_t code, float x) {
  with_activation(code, [&](auto f) { x = f(x).value; });
  return x;
}
