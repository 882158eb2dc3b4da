// cross-entropy/reduce (cuda)
// Math      y = scale * Σ_t loss[t];  scale = 1, or 1 / max(1, targets other than ignoreIndex) for a mean
// Shapes    loss [T] f32 · target [T] i32 · y, scale [1] f32
// Launch    one block: some thousand tokens take a few microseconds
// Numerics  f64 over a thread's tokens, f32 over threads, in an order of T
// Limits    no target that counts gives 0, not 0 / 0
#include "../common/cuda/reduce.cuh"

struct Params {
  uint32_t T, ignoreIndex, mean;
};

constexpr unsigned int THREADS = 1024;

extern "C" __global__ void __launch_bounds__(THREADS)
    cross_entropy_reduce_f32(const float *loss, const int32_t *target, float *y, float *scale, const Params p) {
  double part = 0.0;
  uint32_t counted = 0;
#pragma unroll 4
  for (uint32_t t = threadIdx.x; t < p.T; t += THREADS) {
    part += static_cast<double>(loss[t]);
    counted += static_cast<uint32_t>(target[t]) != p.ignoreIndex;
  }
  const float sum = block_join(static_cast<float>(part), Sum());
  const uint32_t count = block_join(counted, Sum());
  if (threadIdx.x != 0) return;
  const float factor = p.mean ? 1.0f / static_cast<float>(count > 0 ? count : 1) : 1.0f;
  *scale = factor;
  *y = sum * factor;
}
