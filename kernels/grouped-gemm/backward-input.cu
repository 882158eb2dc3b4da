// grouped-gemm/backward-input (cuda)
// Math      for grouped row r of expert e: dx[r,k] = sum_n dy[row,n] w[e,n,k] (+ what was there); rows that nobody kept are
//           zero, with accumulate as they were
// Shapes    dy [T,N] · weight [E,N,K] or [E,K,N] · lists [L] i32 · dx [R,K]
// Method    common/cuda/gemm.cuh, with rows gathered while loading
// Tiling    common/cuda/gemm-tiles.cuh; row-tiles.cuh
// Launch    column tiles × at most so many row tiles of all experts, threads of the tile: each block finds its expert
// Numerics  f32 sums; dx rounds once
#include "row-tiles.cuh"

struct Params {
  uint32_t T, R, E, N, K, L, transposed, choices, gather, accumulate;
};

template <class V>
struct InputGradient {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  Runs<V> dx;
  bool accumulates;

  __device__ void operator()(uint32_t row, uint32_t k, uint32_t count, float (&sums)[RUN<V>]) const {
    if (accumulates) {
      float other[RUN<V>];
      dx.read(row, k, count, other);
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] += other[i];
    }
    dx.write(row, k, count, sums);
  }
};

template <class T, bool ALONG_K, bool WHOLE, class V>
__device__ void product(const V *dy, const V *weight, const RoutedRows &lists, const RoutedTile<T> &tile, V *dx,
                        const Params &p) {
  DYNAMIC_SHARED(shared);
  const RowTile &rows = tile.rows;
  const uint32_t N = rows.expert < p.E ? p.N : 0, step = ALONG_K ? p.N : p.K;
  const auto left = expert_rows<true, WHOLE>(dy, p.N, lists, rows.first, rows.rows, p.gather != 0, p.choices, p.T);
  const Matrix<V, ALONG_K, WHOLE> right{weight + size_t{rows.expert} * p.N * p.K, ALONG_K ? p.K : p.N, step, step,
                                        WHOLE || step % CHUNK<V> == 0};
  Product<T, true, ALONG_K> product(shared, rows.row0, tile.column0);
  product.multiply(left, right, N);
  product.finish(rows.rows, p.K, InputGradient<V>{{dx + size_t{rows.first} * p.K, p.K}, p.accumulate != 0});
}

template <class T, bool WHOLE, class V>
__device__ void backward_input(const V *dy, const V *weight, const int32_t *places, V *dx, const Params &p) {
  const RoutedRows lists(places, p.E, p.R);
  const RoutedTile<T> tile(lists, p.K);
  if (tile.rows.expert > p.E || (tile.rows.expert == p.E && p.accumulate)) return;
  if (p.transposed)
    product<T, false, WHOLE>(dy, weight, lists, tile, dx, p);
  else
    product<T, true, WHOLE>(dy, weight, lists, tile, dx, p);
}

#define BACKWARD_INPUT(VARIANT, V, TILE, WHOLE)                                                                       \
  extern "C" __global__ void __launch_bounds__(TILE<Value_##V>::THREADS, 1)                                           \
      grouped_gemm_backward_input_##VARIANT##_##V(const Value_##V *dy, const Value_##V *weight, const int32_t *lists, \
                                                  Value_##V *dx, const Params p) {                                    \
    backward_input<TILE<Value_##V>, WHOLE>(dy, weight, lists, dx, p);                                                 \
  }
GROUPED_KERNELS(BACKWARD_INPUT, LargeTile)
