// grouped-gemm/forward (cuda)
// Math      for grouped row r of expert e: pre[r,n] = sum_k x[row,k] w[e,n,k] + bias[e,n] (+ what was there); y[r] = act(pre[r]),
//           gated: act(pre[r,o]) pre[r,O+o]; rows that nobody kept are zero
// Shapes    x [T,K] · weight [E,N,K] or [E,K,N] · bias [E,N] · lists [L] i32 · pre [R,N] · y [R,O]
// Method    common/cuda/gemm.cuh, with rows gathered while loading. A warp of a gated product has as many columns of the
//           gate as of what it multiplies: PairedMatrix
// Tiling    common/cuda/gemm-tiles.cuh; row-tiles.cuh
// Launch    column tiles × at most so many row tiles of all experts, threads of the tile: each block finds its expert
// Numerics  f32 sums; pre and y round once each
#include "row-tiles.cuh"

struct Params {
  uint32_t T, R, E, N, K, L, transposed, choices, gather, O, activation, gated, accumulate, hasBias, hasPre;
};

template <class V>
struct Expert {
  static constexpr bool ROW_SUMS = false;
  Runs<V> y, pre;  // from the expert's first row on
  const V *bias;   // of the expert, or nullptr
  const V *start;  // rows of N: what sums add to, or nullptr
  uint32_t O, activation;
  bool keeps;

  // The value before the activation.
  __device__ void finish(uint32_t row, uint32_t n, uint32_t count, bool aligned, float (&sums)[RUN<V>]) const {
    const auto add = [&](const V *from) {
      float other[RUN<V>];
      read_run(from, count, aligned, other);
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] += other[i];
    };
    const size_t at = size_t{row} * pre.width + n;
    if (bias) add(bias + n);
    if (start) add(start + at);
    if (keeps) write_run(pre.data + at, count, aligned, sums);
  }
};

template <class V>
struct PlainExpert : Expert<V> {
  static constexpr bool PAIRED = false;
  __device__ void operator()(uint32_t row, uint32_t n, uint32_t count, float (&sums)[RUN<V>]) const {
    this->finish(row, n, count, this->y.aligned(), sums);
    activate_run(this->activation, sums);
    this->y.write(row, n, count, sums);
  }
};

template <class V>
struct GatedExpert : Expert<V> {
  static constexpr bool PAIRED = true;
  __device__ void operator()(uint32_t row, uint32_t o, uint32_t count, float (&gate)[RUN<V>],
                             float (&up)[RUN<V>]) const {
    this->finish(row, o, count, this->y.aligned(), gate);
    this->finish(row, this->O + o, count, this->y.aligned(), up);
    activate_run(this->activation, gate);
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i) gate[i] *= up[i];
    this->y.write(row, o, count, gate);
  }
};

template <class T, bool ALONG_K, bool GATED, bool WHOLE, class V>
__device__ void product(const V *x, const V *weight, const RoutedRows &lists, const RoutedTile<T> &tile,
                        const Expert<V> &expert, const Params &p) {
  DYNAMIC_SHARED(shared);
  const RowTile &rows = tile.rows;
  const uint32_t K = rows.expert < p.E ? p.K : 0, step = ALONG_K ? p.K : p.N;
  const V *of_expert = weight + size_t{rows.expert} * p.N * p.K;
  const auto left = expert_rows<true, WHOLE>(x, p.K, lists, rows.first, rows.rows, p.gather != 0, p.choices, p.T);
  Product<T, true, ALONG_K> product(shared, rows.row0, tile.column0);
  if constexpr (GATED) {
    const bool aligned = WHOLE || (step % CHUNK<V> == 0 && p.O % CHUNK<V> == 0);
    product.multiply(left, PairedMatrix<V, ALONG_K, WHOLE, T::WARP_COLUMNS / 2>{of_expert, p.K, p.O, step, aligned}, K);
    product.finish(rows.rows, p.O, GatedExpert<V>{expert});
  } else {
    const bool aligned = WHOLE || step % CHUNK<V> == 0;
    product.multiply(left, Matrix<V, ALONG_K, WHOLE>{of_expert, ALONG_K ? p.N : p.K, step, step, aligned}, K);
    product.finish(rows.rows, p.N, PlainExpert<V>{expert});
  }
}

template <class T, bool WHOLE, class V>
__device__ void forward(const V *x, const V *weight, const V *bias, const int32_t *places, V *pre, V *y,
                        const Params &p) {
  const RoutedRows lists(places, p.E, p.R);
  const RoutedTile<T> tile(lists, p.gated ? 2 * p.O : p.N);
  if (tile.rows.expert > p.E) return;
  const bool kept = tile.rows.expert < p.E;
  const size_t first = tile.rows.first;
  V *const y_rows = y + first * p.O, *const pre_rows = pre + (p.hasPre || p.accumulate ? first * p.N : 0);
  const V *const start = p.activation == 0 && !p.gated ? y_rows : pre_rows;
  const Expert<V> expert{{y_rows, p.O},
                         {pre_rows, p.N},
                         kept && p.hasBias ? bias + size_t{tile.rows.expert} * p.N : nullptr,
                         kept && p.accumulate ? start : nullptr,
                         p.O,
                         p.activation,
                         p.hasPre != 0};
  if (p.transposed && p.gated)
    product<T, true, true, WHOLE>(x, weight, lists, tile, expert, p);
  else if (p.transposed)
    product<T, true, false, WHOLE>(x, weight, lists, tile, expert, p);
  else if (p.gated)
    product<T, false, true, WHOLE>(x, weight, lists, tile, expert, p);
  else
    product<T, false, false, WHOLE>(x, weight, lists, tile, expert, p);
}

#define GROUPED_FORWARD(VARIANT, V, TILE, WHOLE)                                                                 \
  extern "C" __global__ void __launch_bounds__(TILE<Value_##V>::THREADS, 1)                                      \
      grouped_gemm_forward_##VARIANT##_##V(const Value_##V *x, const Value_##V *weight, const Value_##V *bias,   \
                                           const int32_t *lists, Value_##V *pre, Value_##V *y, const Params p) { \
    forward<TILE<Value_##V>, WHOLE>(x, weight, bias, lists, pre, y, p);                                          \
  }
GROUPED_KERNELS(GROUPED_FORWARD, LargeTile)
