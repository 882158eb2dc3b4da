// 2^x in one instruction, within 2 ulp; results below 2^-126 are 0, which the compiler's exp2f would spend three more on.
#pragma once

#ifdef CONSILIUM_SIMT

__device__ inline float exponential2(float x) { return x < -126.0f ? 0.0f : exp2f(x); }

#else

__device__ inline float exponential2(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

#endif
