// grouped-gemm/backward-weight (cuda)
// Math      dw[e,n,k] = sum over the rows r of e of dy[row,n] x[row,k];  dbias[e,n] = sum of s dy[row,n], s the weight of r's
//           choice or 1; each may add to what is there
// Shapes    dy [D,N] · x [S,K] · lists [L] i32 · weights [W] f32 · dweight [E,N,K] or [E,K,N] · dbias [E,N]
// Method    common/cuda/gemm.cuh, its k the rows of an expert, gathered while loading; dy is the left operand of [E,N,K], x
//           that of [E,K,N]
// Tiling    common/cuda/gemm-tiles.cuh · bias: 16 bytes of columns by 16 rows of threads
// Launch    tiles of all experts, threads of the tile · bias: (column blocks, E)
// Numerics  f32, rows in order; each result rounds once. An expert without rows has sums of zero
#include "row-tiles.cuh"

struct Params {
  uint32_t D, S, R, E, N, K, L, W, transposed, choices, gatherDy, gatherX, accumulate, accumulateBias, hasWeights,
      hasDbias;
};

template <class V>
struct WeightGradient {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  Runs<V> dweight;
  bool accumulates;

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, float (&sums)[RUN<V>]) const {
    if (accumulates) {
      float other[RUN<V>];
      dweight.read(row, column, count, other);
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] += other[i];
    }
    dweight.write(row, column, count, sums);
  }
};

template <class T, bool WHOLE, class V>
__device__ void backward_weight(const V *dy, const V *x, const int32_t *places, V *dweight, const Params &p) {
  DYNAMIC_SHARED(shared);
  const RoutedRows lists(places, p.E, p.R);
  const uint32_t rows = p.transposed ? p.N : p.K, columns = p.transposed ? p.K : p.N;
  const uint32_t down = (rows + T::ROWS - 1) / T::ROWS, across = (columns + T::COLUMNS - 1) / T::COLUMNS;
  const uint32_t expert = blockIdx.x / (down * across);
  const TilePlace place = tile_place(blockIdx.x % (down * across), down, across);
  const uint32_t first = lists.begin(expert), count = lists.end(expert) - first;

  // What differs is chosen value by value: a choice between two whole operands would put both into local memory.
  const bool swap = p.transposed == 0, gather_left = (swap ? p.gatherX : p.gatherDy) != 0;
  const bool gather_right = (swap ? p.gatherDy : p.gatherX) != 0;
  const auto left =
      expert_rows<false, WHOLE>(swap ? x : dy, rows, lists, first, count, gather_left, p.choices, swap ? p.S : p.D);
  const auto right =
      expert_rows<false, WHOLE>(swap ? dy : x, columns, lists, first, count, gather_right, p.choices, swap ? p.D : p.S);
  Product<T, false, false> product(shared, place.down * T::ROWS, place.across * T::COLUMNS);
  product.multiply(left, right, count);
  product.finish(rows, columns, WeightGradient<V>{{dweight + size_t{expert} * p.N * p.K, columns}, p.accumulate != 0});
}

constexpr uint32_t BIAS_THREADS = 256, BIAS_ACROSS = 16, BIAS_DOWN = BIAS_THREADS / BIAS_ACROSS;

template <class V>
__device__ void bias_gradient(const V *dy, const int32_t *places, const float *weights, V *dbias, const Params &p) {
  constexpr uint32_t WIDTH = BIAS_ACROSS * CHUNK<V>;
  __shared__ float partial[BIAS_DOWN][WIDTH];
  const RoutedRows lists(places, p.E, p.R);
  const uint32_t expert = blockIdx.y, across = threadIdx.x % BIAS_ACROSS, down = threadIdx.x / BIAS_ACROSS;
  const uint32_t column0 = blockIdx.x * WIDTH, n = column0 + across * CHUNK<V>;
  const uint32_t count = n >= p.N ? 0 : p.N - n < CHUNK<V> ? p.N - n : CHUNK<V>;
  const uint32_t first = lists.begin(expert), rows = lists.end(expert) - first;
  const int32_t *order = lists.order + first;
  const auto of_dy = expert_rows<false, false>(dy, p.N, lists, first, rows, p.gatherDy != 0, p.choices, p.D);

  float sums[CHUNK<V>] = {};
  if (count > 0) {
#pragma unroll 2
    for (uint32_t r = down; r < rows; r += BIAS_DOWN) {
      float g[CHUNK<V>], weight = 1.0f;
      read_run(of_dy.data + size_t{of_dy.line(of_dy.entry(r))} * p.N + n, count, of_dy.aligned, g);
      if (p.hasWeights) {
        const uint32_t choice = static_cast<uint32_t>(order[r]);
        weight = weights[choice < p.W ? choice : p.W - 1];
      }
#pragma unroll
      for (uint32_t i = 0; i < CHUNK<V>; ++i) sums[i] = fmaf(g[i], weight, sums[i]);
    }
  }
#pragma unroll
  for (uint32_t i = 0; i < CHUNK<V>; ++i) partial[down][across * CHUNK<V> + i] = sums[i];
  __syncthreads();
  if (threadIdx.x >= WIDTH || column0 + threadIdx.x >= p.N) return;
  V *to = dbias + size_t{expert} * p.N + column0 + threadIdx.x;
  float sum = p.accumulateBias ? to_float(*to) : 0.0f;
#pragma unroll
  for (uint32_t i = 0; i < BIAS_DOWN; ++i) sum += partial[i][threadIdx.x];
  *to = from_float<V>(sum);
}

#define BACKWARD_WEIGHT(VARIANT, V, TILE, WHOLE)                                                                     \
  extern "C" __global__ void __launch_bounds__(TILE<Value_##V>::THREADS, 1)                                          \
      grouped_gemm_backward_weight_##VARIANT##_##V(const Value_##V *dy, const Value_##V *x, const int32_t *lists,    \
                                                   const float *, Value_##V *dweight, Value_##V *, const Params p) { \
    backward_weight<TILE<Value_##V>, WHOLE>(dy, x, lists, dweight, p);                                               \
  }
#define BIAS_GRADIENT(V)                                                                                           \
  extern "C" __global__ void __launch_bounds__(BIAS_THREADS)                                                       \
      grouped_gemm_backward_weight_bias_##V(const Value_##V *dy, const Value_##V *, const int32_t *lists,          \
                                            const float *weights, Value_##V *, Value_##V *dbias, const Params p) { \
    bias_gradient(dy, lists, weights, dbias, p);                                                                   \
  }
GROUPED_KERNELS(BACKWARD_WEIGHT, DeepTile)
FOR_FLOATS(BIAS_GRADIENT)
