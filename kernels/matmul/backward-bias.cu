// matmul/backward-bias (cuda)
// Math      dbias[n] = sum over t of dy[t,n];  with accumulate dbias += sum
// Shapes    dy [T,N] · dbias [N] · scratch [lines,N] f32
// Method    sums of blocks of rows into scratch; the join adds them
// Tiling    column-blocks.cuh
// Launch    grid (column blocks, row blocks), 256 threads · join: a thread for each column
// Numerics  f32, in an order that depends on T and N alone
#include "column-blocks.cuh"

#include "../common/cuda/gemm-run.cuh"

struct Params {
  uint32_t T, N, accumulate;
};

template <class V>
__device__ void backward_bias(const V *dy, float *lines, const Params &p) {
  const bool aligned = p.N % RUN<V> == 0;
  sum_column_block<V>(p.T, p.N, lines, [&](uint32_t t, uint32_t n, uint32_t count, float(&sums)[RUN<V>]) {
    float g[RUN<V>];
    read_run(dy + size_t{t} * p.N + n, count, aligned, g);
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] += g[i];
  });
}

#define BACKWARD_BIAS(V)                                                                                       \
  extern "C" __global__ void __launch_bounds__(COLUMN_THREADS)                                                 \
      matmul_backward_bias_##V(const Value_##V *dy, Value_##V *, float *lines, const Params p) {               \
    backward_bias(dy, lines, p);                                                                               \
  }                                                                                                            \
  extern "C" __global__ void __launch_bounds__(COLUMN_THREADS)                                                 \
      matmul_backward_bias_join_##V(const Value_##V *, Value_##V *dbias, const float *lines, const Params p) { \
    join_column_blocks(lines, p.T, p.N, p.accumulate != 0, dbias);                                             \
  }
FOR_FLOATS(BACKWARD_BIAS)
