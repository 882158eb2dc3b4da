// lora-matmul/forward (cuda)
// Math      y = x weightᵀ + bias + scale h bᵀ;  h = drop(x) aᵀ
// Shapes    x [T,K] · weight [N,K] · a [R,K] · b [N,R] · bias [N] · random u32[4] · y [T,N] · h [T,R] ·
//           scratch: scale h [T,R]
// Method    rank: rank.cuh, of 16-bit values rank-half.cuh. Then common/cuda/gemm.cuh, the branch of rank R as R more steps of the same sums; up to
//           8 rows: gemm-few.cuh, whose epilogue adds the branch
// Tiling    common/cuda/gemm-tiles.cuh
// Launch    rank: rank.cuh, rank-half.cuh · product: a block per tile
// Numerics  f32 sums; y and h round once, and scale h, which the branch multiplies, too; the mask is that of dropout on x,
//           element t K + k
#include "../common/cuda/gemm-few.cuh"
#include "../common/cuda/gemm-order.cuh"
#include "../common/cuda/gemm-run.cuh"
#include "../common/cuda/gemm-tiles.cuh"
#include "rank-half.cuh"
#include "rank.cuh"

struct Params {
  uint32_t T, N, K, R;
  float scale, dropout;
  uint32_t sequence, hasBias;
};

// BRANCH: adds that of rank R, too, which few rows have not in their sums yet.
template <class V, bool BRANCH>
struct WithBias {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  Runs<V> y;
  const V *bias;  // or nullptr
  const V *scaled, *b;
  uint32_t R;

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, float (&sums)[RUN<V>]) const {
    if (bias) {
      float other[RUN<V>];
      read_run(bias + column, count, y.aligned(), other);
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] += other[i];
    }
    if constexpr (BRANCH) {
      for (uint32_t r = 0; r < R; ++r) {
        const float factor = to_float(scaled[size_t{row} * R + r]);
        for (uint32_t i = 0; i < count; ++i) sums[i] = fmaf(factor, to_float(b[size_t{column + i} * R + r]), sums[i]);
      }
    }
    y.write(row, column, count, sums);
  }
};

template <class V>
__device__ inline void few(const V *x, const V *weight, const V *b, const V *bias, V *y, const V *scaled,
                           const Params &p) {
  multiply_few(FewOperands<V>{x, weight, p.T, p.N, p.K, true, true}, blockIdx.x,
               WithBias<V, true>{{y, p.N}, p.hasBias ? bias : nullptr, scaled, b, p.R});
}

// WHOLE: rows of x and of the weight are multiples of 16 bytes.
template <class T, bool WHOLE, class V>
__device__ inline void forward(const V *x, const V *weight, const V *b, const V *bias, V *y, const V *scaled,
                               const Params &p) {
  DYNAMIC_SHARED(shared);
  const uint32_t down = (p.T + T::ROWS - 1) / T::ROWS, across = (p.N + T::COLUMNS - 1) / T::COLUMNS;
  const TilePlace place = tile_place(blockIdx.x, down, across);
  const bool aligned = p.K % CHUNK<V> == 0, aligned_rank = p.R % CHUNK<V> == 0;
  Product<T, true, true> product(shared, place.down * T::ROWS, place.across * T::COLUMNS);
  product.multiply(Matrix<V, true, WHOLE>{x, p.T, p.K, p.K, aligned},
                   Matrix<V, true, WHOLE>{weight, p.N, p.K, p.K, aligned}, p.K);
  product.multiply(Matrix<V, true, false>{scaled, p.T, p.R, p.R, aligned_rank},
                   Matrix<V, true, false>{b, p.N, p.R, p.R, aligned_rank}, p.R);
  product.finish(p.T, p.N, WithBias<V, false>{{y, p.N}, p.hasBias ? bias : nullptr, scaled, b, p.R});
}

#define BUFFERS(V)                         \
  const Value_##V *x,          /* [T,K] */ \
      const Value_##V *weight, /* [N,K] */ \
      const Value_##V *a,      /* [R,K] */ \
      const Value_##V *b,      /* [N,R] */ \
      const Value_##V *bias,   /* [N] */   \
      const uint32_t *random,  /* [4] */   \
      Value_##V *y,            /* [T,N] */ \
      Value_##V *h,            /* [T,R] */ \
      Value_##V *scaled,       /* [T,R] */ \
      const Params p

extern "C" __global__ void __launch_bounds__(RANK_THREADS) lora_matmul_forward_rank_f32(BUFFERS(f32)) {
  (void)weight, (void)b, (void)bias, (void)y;
  rank_rows<true>(x, a, Mask(random, p.sequence, p.dropout), 1.0f, h, p.scale, scaled, p.T, p.K, p.R);
}
#define RANK(TILES, NAME, V)                                                                                         \
  extern "C" __global__ void __launch_bounds__(HALF_THREADS) lora_matmul_forward_rank_##NAME##_##V(BUFFERS(V)) {     \
    (void)weight, (void)b, (void)bias, (void)y;                                                                      \
    rank_rows_half<TILES, true>(x, a, Mask(random, p.sequence, p.dropout), 1.0f, h, p.scale, scaled, p.T, p.K, p.R); \
  }
#define RANK_16(V) RANK(2, 16, V)
#define RANK_32(V) RANK(4, 32, V)
#define RANK_64(V) RANK(8, 64, V)
FOR_HALVES(RANK_16)
FOR_HALVES(RANK_32)
FOR_HALVES(RANK_64)

#define PRODUCT(TILE, NAME, WHOLE, V)                                                                           \
  extern "C" __global__ void __launch_bounds__(TILE::THREADS, 1) lora_matmul_forward_##NAME##_##V(BUFFERS(V)) { \
    (void)a, (void)random, (void)h;                                                                             \
    forward<TILE, WHOLE>(x, weight, b, bias, y, scaled, p);                                                     \
  }
#define LARGE(V) PRODUCT(LargeTile<Value_##V>, large, true, V)
#define MEDIUM(V) PRODUCT(MediumTile<Value_##V>, medium, true, V)
#define SMALL(V) PRODUCT(SmallTile<Value_##V>, small, false, V)
#define FEW(V)                                                                                           \
  extern "C" __global__ void __launch_bounds__(FEW_THREADS, 1) lora_matmul_forward_few_##V(BUFFERS(V)) { \
    (void)a, (void)random, (void)h;                                                                      \
    few(x, weight, b, bias, y, scaled, p);                                                               \
  }
FOR_FLOATS(FEW)
FOR_HALVES(LARGE)
FOR_FLOATS(MEDIUM)
FOR_FLOATS(SMALL)
PRODUCT(Tf32Tile, tf32, true, f32)
