// matmul/forward (cuda)
// Math      y[b,m,n] = act(sum_k op(a)[b,m,k] op(b)[b,k,n] + bias[n]); with accumulate y += sum + bias
// Shapes    a [B|1,M,K] or [B|1,K,M] · b [B|1,K,N] or [B|1,N,K] · bias [N] · y, preactivation [B,M,N]
// Method    common/cuda/gemm.cuh, the layouts of the operands as they come; up to 8 rows, or 16 columns:
//           common/cuda/gemm-few.cuh
// Tiling    common/cuda/gemm-tiles.cuh: common/cuda/gemm.ts chooses by shape and GPU. The small one takes operands that are
//           not aligned, too
// Launch    grid (tiles of all batches), threads of the tile; few: gemm-few.cuh
// Numerics  f32 sums; y and preactivation round once. f32 operands are rounded to tf32 by matmul_forward_tf32 alone
// Limits    each dimension below 2^32. Rows that are no multiple of 16 bytes (8 halves, 4 f32) are read value by value,
//           and by the small tile alone: right, and slower
#include "../common/cuda/gemm-few.cuh"
#include "../common/cuda/gemm-order.cuh"
#include "../common/cuda/gemm-run.cuh"
#include "../common/cuda/gemm-tiles.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t B, M, N, K;
  uint32_t transposeA, transposeB;
  uint32_t batchedA, batchedB;
  uint32_t activation, accumulate;
  uint32_t hasBias, hasPreactivation;
};

template <class V>
struct Linear {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  Runs<V> y, preactivation;
  const V *bias;  // or nullptr
  uint32_t activation;
  bool keeps, accumulates;

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, float (&sums)[RUN<V>]) const {
    float other[RUN<V>];
    if (bias) {
      read_run(bias + column, count, y.aligned(), other);
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] += other[i];
    }
    if (keeps) preactivation.write(row, column, count, sums);
    if (accumulates) {
      y.read(row, column, count, other);
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] += other[i];
    } else {
      activate_run(activation, sums);
    }
    y.write(row, column, count, sums);
  }
};

// The buffers of one batch.
template <class V>
struct Batch {
  const V *a, *b;
  Linear<V> epilogue;

  __device__ Batch(const V *a, const V *b, const V *bias, V *y, V *preactivation, const Params &p, uint32_t batch)
      : a(a + size_t{batch} * p.batchedA * p.M * p.K),
        b(b + size_t{batch} * p.batchedB * p.K * p.N),
        epilogue{{y + size_t{batch} * p.M * p.N, p.N},
                 {preactivation + (p.hasPreactivation ? size_t{batch} * p.M * p.N : 0), p.N},
                 p.hasBias ? bias : nullptr,
                 p.activation,
                 p.hasPreactivation != 0,
                 p.accumulate != 0} {}
};

// WHOLE: rows of both operands, as they are stored, are multiples of 16 bytes.
template <class T, bool LEFT_ALONG_K, bool RIGHT_ALONG_K, bool WHOLE, class V>
__device__ void product(const Batch<V> &batch, const TilePlace &place, const Params &p) {
  DYNAMIC_SHARED(shared);
  const uint32_t a_step = LEFT_ALONG_K ? p.K : p.M, b_step = RIGHT_ALONG_K ? p.K : p.N;
  const bool a_aligned = WHOLE || a_step % CHUNK<V> == 0, b_aligned = WHOLE || b_step % CHUNK<V> == 0;
  const Matrix<V, LEFT_ALONG_K, WHOLE> left{batch.a, LEFT_ALONG_K ? p.M : p.K, a_step, a_step, a_aligned};
  const Matrix<V, RIGHT_ALONG_K, WHOLE> right{batch.b, RIGHT_ALONG_K ? p.N : p.K, b_step, b_step, b_aligned};
  Product<T, LEFT_ALONG_K, RIGHT_ALONG_K> product(shared, place.down * T::ROWS, place.across * T::COLUMNS);
  product.multiply(left, right, p.K);
  product.finish(p.M, p.N, batch.epilogue);
}

template <class T, bool WHOLE, class V>
__device__ void forward(const V *a, const V *b, const V *bias, V *y, V *preactivation, const Params &p) {
  const uint32_t down = (p.M + T::ROWS - 1) / T::ROWS, across = (p.N + T::COLUMNS - 1) / T::COLUMNS;
  const Batch<V> batch(a, b, bias, y, preactivation, p, blockIdx.x / (down * across));
  const TilePlace place = tile_place(blockIdx.x % (down * across), down, across);
  if (p.transposeA && p.transposeB) {
    if constexpr (!WHOLE) product<T, false, true, WHOLE>(batch, place, p);  // rare: always by the small tile
  } else if (p.transposeA) {
    product<T, false, false, WHOLE>(batch, place, p);
  } else if (p.transposeB) {
    product<T, true, true, WHOLE>(batch, place, p);
  } else {
    product<T, true, false, WHOLE>(batch, place, p);
  }
}

template <bool NARROW, class V>
__device__ void few(const V *a, const V *b, const V *bias, V *y, V *preactivation, const Params &p) {
  const uint32_t blocks = gridDim.x / p.B;
  const Batch<V> batch(a, b, bias, y, preactivation, p, blockIdx.x / blocks);
  const FewOperands<V> operands{batch.a, batch.b, p.M, p.N, p.K, p.transposeA == 0, p.transposeB != 0};
  if constexpr (NARROW)
    multiply_narrow(operands, blockIdx.x % blocks, batch.epilogue);
  else
    multiply_few(operands, blockIdx.x % blocks, batch.epilogue);
}

#define MATMUL_FORWARD(NAME, V, THREADS, BODY)                                                \
  extern "C" __global__ void __launch_bounds__(THREADS, 1)                                    \
      NAME##_##V(const Value_##V *a, const Value_##V *b, const Value_##V *bias, Value_##V *y, \
                 Value_##V *preactivation, const Params p) {                                  \
    BODY(a, b, bias, y, preactivation, p);                                                    \
  }
#define MATMUL_TILE(NAME, V, TILE, WHOLE) MATMUL_FORWARD(NAME, V, TILE::THREADS, (forward<TILE, WHOLE>))
#define LARGE(V) MATMUL_TILE(matmul_forward_large, V, LargeTile<Value_##V>, true)
#define MEDIUM(V) MATMUL_TILE(matmul_forward_medium, V, MediumTile<Value_##V>, true)
#define SMALL(V) MATMUL_TILE(matmul_forward_small, V, SmallTile<Value_##V>, false)
#define FEW(V) MATMUL_FORWARD(matmul_forward_few, V, FEW_THREADS, (few<false>))
#define NARROW(V) MATMUL_FORWARD(matmul_forward_narrow, V, FEW_THREADS, (few<true>))
FOR_HALVES(LARGE)
FOR_FLOATS(MEDIUM)
FOR_FLOATS(SMALL)
FOR_FLOATS(FEW)
FOR_FLOATS(NARROW)
MATMUL_TILE(matmul_forward_tf32, f32, Tf32Tile, true)
