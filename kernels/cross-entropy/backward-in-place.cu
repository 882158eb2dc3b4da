// cross-entropy/backward-in-place (cuda)
// Math      cross-entropy/backward, whose dlogits overwrite the logits
// Shapes    dy [T] or [1] f32 · logits [T,V] · target [T] i32 · maximum, log_sum [T] f32 · scale [1] f32 or absent
// Method    gradient.cuh: a thread reads what it overwrites, and nothing else of the row
// Numerics  those of cross-entropy/backward, bit for bit
#include <cstdint>

struct Params {
  uint32_t T, V, ignoreIndex;
  float smoothing;
  uint32_t perToken;
};

#include "gradient.cuh"

#define CROSS_ENTROPY_BACKWARD_IN_PLACE(V)                                                                   \
  extern "C" __global__ void __launch_bounds__(THREADS) cross_entropy_backward_in_place_##V(                 \
      const float *dy, Value_##V *logits, const int32_t *target, const float *maximum, const float *log_sum, \
      const float *scale, const Params p) {                                                                  \
    gradient(dy, logits, target, maximum, log_sum, scale, logits, p);                                        \
  }
FOR_FLOATS(CROSS_ENTROPY_BACKWARD_IN_PLACE)
