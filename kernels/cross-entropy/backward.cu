// cross-entropy/backward (cuda)
// Math      dlogits[t,v] = g * (exp(logits[t,v] - m - log s) - (1 - smoothing) [v = target[t]] - smoothing / V);
//           g = dy * scale; 0 for rows whose target is ignored or outside [0, V)
// Shapes    dy [T] or [1] f32 · logits, dlogits [T,V] · target [T] i32 · maximum (m), log_sum (log s) [T] f32 ·
//           scale [1] f32 or absent
// Method    gradient.cuh
// Numerics  f32; expm1 at the target, where exp - 1 would cancel; stores round once
#include <cstdint>

struct Params {
  uint32_t T, V, ignoreIndex;
  float smoothing;
  uint32_t perToken;
};

#include "gradient.cuh"

#define CROSS_ENTROPY_BACKWARD(V)                                                                                  \
  extern "C" __global__ void __launch_bounds__(THREADS) cross_entropy_backward_##V(                                \
      const float *dy, const Value_##V *logits, const int32_t *target, const float *maximum, const float *log_sum, \
      const float *scale, Value_##V *dlogits, const Params p) {                                                    \
    gradient(dy, logits, target, maximum, log_sum, scale, dlogits, p);                                             \
  }
FOR_FLOATS(CROSS_ENTROPY_BACKWARD)
