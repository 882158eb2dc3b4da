// matmul/backward-activation (cuda)
// Math      dpreactivation[t,n] = dy[t,n] act'(preactivation[t,n]);  dbias[n] = sum over t of dpreactivation[t,n]
// Shapes    dy, preactivation, dpreactivation [T,N] · dbias [N], optional · scratch [lines,N] f32 with dbias
// Method    one pass over rows, which leaves the sums of blocks of rows in scratch; the join adds them
// Tiling    column-blocks.cuh
// Launch    grid (column blocks, row blocks), 256 threads · join: a thread for each column
// Numerics  f32; dbias sums the values before they are rounded for storage, in an order that depends on T and N alone
#include "column-blocks.cuh"

#include "../common/cuda/gemm-run.cuh"

struct Params {
  uint32_t T, N, activation, hasDbias;
};

template <class V>
__device__ void backward_activation(const V *dy, const V *preactivation, V *dpreactivation, float *lines,
                                    const Params &p) {
  const bool aligned = p.N % RUN<V> == 0;
  sum_column_block<V>(p.T, p.N, p.hasDbias ? lines : nullptr,
                      [&](uint32_t t, uint32_t n, uint32_t count, float(&sums)[RUN<V>]) {
                        float g[RUN<V>], x[RUN<V>];
                        const size_t at = size_t{t} * p.N + n;
                        read_run(dy + at, count, aligned, g);
                        read_run(preactivation + at, count, aligned, x);
                        with_activation(p.activation, [&](auto f) {
#pragma unroll
                          for (uint32_t i = 0; i < RUN<V>; ++i) {
                            g[i] *= f(x[i]).slope;
                            sums[i] += g[i];
                          }
                        });
                        write_run(dpreactivation + at, count, aligned, g);
                      });
}

#define BACKWARD_ACTIVATION(V)                                                                                       \
  extern "C" __global__ void __launch_bounds__(COLUMN_THREADS)                                                       \
      matmul_backward_activation_##V(const Value_##V *dy, const Value_##V *preactivation, Value_##V *dpreactivation, \
                                     Value_##V *, float *lines, const Params p) {                                    \
    backward_activation(dy, preactivation, dpreactivation, lines, p);                                                \
  }                                                                                                                  \
  extern "C" __global__ void __launch_bounds__(COLUMN_THREADS) matmul_backward_activation_join_##V(                  \
      const Value_##V *, const Value_##V *, Value_##V *, Value_##V *dbias, const float *lines, const Params p) {     \
    join_column_blocks(lines, p.T, p.N, false, dbias);                                                               \
  }
FOR_FLOATS(BACKWARD_ACTIVATION)
