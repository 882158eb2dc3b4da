// attention/backward, first: what both gradients need of each query
// Math      rows[b,h,i] = (lse log2 e, delta), delta = dy·y
// Method    eight lanes share a row and read 16 bytes or more each where D is a multiple of 8
// Launch    grid ceil(B L H / 16), 128 threads
#pragma once
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/reduce.cuh"
#include "problem.cuh"

// What the backward kernels read of a query.
struct QueryScalars {
  float lse;  // in base 2
  float delta;
};

constexpr uint32_t DELTA_THREADS = 128, DELTA_LANES = 8;

template <class V>
__device__ inline void backward_delta(const V *dy, const V *y, const float *lse, QueryScalars *rows, const Params &p) {
  constexpr uint32_t STEP = 8;
  using Chunk = Vector<V, 16 / sizeof(V)>;
  constexpr uint32_t CHUNK = 16 / sizeof(V);
  const uint32_t row = (blockIdx.x * DELTA_THREADS + threadIdx.x) / DELTA_LANES, lane = threadIdx.x % DELTA_LANES;
  const bool active = row < p.B * p.L * p.H;  // the others keep step at shuffles
  const size_t first = size_t{row} * p.D;
  float sum = 0.0f;
  if (active && p.D % STEP == 0) {
    for (uint32_t d = lane * CHUNK; d < p.D; d += DELTA_LANES * CHUNK) {
      const Chunk a = *reinterpret_cast<const Chunk *>(dy + first + d),
                  b = *reinterpret_cast<const Chunk *>(y + first + d);
#pragma unroll
      for (uint32_t i = 0; i < CHUNK; ++i) sum = fmaf(to_float(a.values[i]), to_float(b.values[i]), sum);
    }
  } else if (active) {
    for (uint32_t d = lane; d < p.D; d += DELTA_LANES) sum = fmaf(to_float(dy[first + d]), to_float(y[first + d]), sum);
  }
  sum = lane_sum<DELTA_LANES>(sum);
  if (!active || lane != 0) return;
  const uint32_t h = row % p.H, token = row / p.H, batch = token / p.L, i = token % p.L;
  const size_t at = (size_t{batch} * p.H + h) * p.L + i;
  rows[at] = {lse[at] * LOG2E, sum};
}
