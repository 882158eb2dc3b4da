// lora-matmul/backward-input (cuda)
// Math      g = scale dy b;  dx = dy weight + mask / (1 - dropout) ∘ (g a)
// Shapes    dy [T,N] · weight [N,K] · a [R,K] · b [N,R] · random u32[4] · dx [T,K], optional · g [T,R]
// Method    rank: rank.cuh, of 16-bit values rank-half.cuh. Then common/cuda/gemm.cuh, the branch of rank R as R more steps of the same sums; with dropout,
//           and up to 8 rows (gemm-few.cuh), the epilogue computes the branch, masks and adds it.
// Tiling    common/cuda/gemm-tiles.cuh
// Launch    rank: rank.cuh, rank-half.cuh · product: a block per tile, where dx is wanted
// Numerics  f32 sums; stores round once, and the branch multiplies g as it is stored; the mask is the forward pass's
#include "../common/cuda/gemm-few.cuh"
#include "../common/cuda/gemm-order.cuh"
#include "../common/cuda/gemm-run.cuh"
#include "../common/cuda/gemm-tiles.cuh"
#include "rank-half.cuh"
#include "rank.cuh"

struct Params {
  uint32_t T, N, K, R;
  float scale, dropout;
  uint32_t sequence, hasDx;
};

template <class V>
struct WithBranch {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  Runs<V> dx;
  const V *g, *a;
  uint32_t K, R;
  const Mask &mask;
  bool branches;  // the branch is not in the sums yet

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, float (&sums)[RUN<V>]) const {
    if (branches) {
      float branch[RUN<V>] = {}, line[RUN<V>];
      for (uint32_t r = 0; r < R; ++r) {
        const float factor = to_float(g[size_t{row} * R + r]);
        read_run(a + size_t{r} * K + column, count, dx.aligned(), line);
#pragma unroll
        for (uint32_t i = 0; i < RUN<V>; ++i) branch[i] = fmaf(factor, line[i], branch[i]);
      }
      mask.apply(branch, row * K + column);
#pragma unroll
      for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] += branch[i];
    }
    dx.write(row, column, count, sums);
  }
};

template <class V>
__device__ inline void few(const V *dy, const V *weight, const V *a, const uint32_t *random, V *dx, const V *g,
                           const Params &p) {
  multiply_few(FewOperands<V>{dy, weight, p.T, p.K, p.N, true, false}, blockIdx.x,
               WithBranch<V>{{dx, p.K}, g, a, p.K, p.R, Mask(random, p.sequence, p.dropout), true});
}

// WHOLE: rows of dy and of the weight are multiples of 16 bytes.
template <class T, bool WHOLE, class V>
__device__ inline void backward_input(const V *dy, const V *weight, const V *a, const uint32_t *random, V *dx,
                                      const V *g, const Params &p) {
  DYNAMIC_SHARED(shared);
  const uint32_t down = (p.T + T::ROWS - 1) / T::ROWS, across = (p.K + T::COLUMNS - 1) / T::COLUMNS;
  const TilePlace place = tile_place(blockIdx.x, down, across);
  const bool aligned_n = p.N % CHUNK<V> == 0, aligned_k = p.K % CHUNK<V> == 0;
  const Mask mask(random, p.sequence, p.dropout);
  Product<T, true, false> product(shared, place.down * T::ROWS, place.across * T::COLUMNS);
  product.multiply(Matrix<V, true, WHOLE>{dy, p.T, p.N, p.N, aligned_n},
                   Matrix<V, false, WHOLE>{weight, p.N, p.K, p.K, aligned_k}, p.N);
  if (!mask.random)
    product.multiply(Matrix<V, true, false>{g, p.T, p.R, p.R, p.R % CHUNK<V> == 0},
                     Matrix<V, false, false>{a, p.R, p.K, p.K, aligned_k}, p.R);
  product.finish(p.T, p.K, WithBranch<V>{{dx, p.K}, g, a, p.K, p.R, mask, mask.random != nullptr});
}

#define BUFFERS(V)                         \
  const Value_##V *dy,         /* [T,N] */ \
      const Value_##V *weight, /* [N,K] */ \
      const Value_##V *a,      /* [R,K] */ \
      const Value_##V *b,      /* [N,R] */ \
      const uint32_t *random,  /* [4] */   \
      Value_##V *dx,           /* [T,K] */ \
      Value_##V *g,            /* [T,R] */ \
      const Params p

extern "C" __global__ void __launch_bounds__(RANK_THREADS) lora_matmul_backward_input_rank_f32(BUFFERS(f32)) {
  (void)weight, (void)a, (void)random, (void)dx;
  rank_rows<false>(dy, b, Mask(nullptr, 0, 0.0f), p.scale, g, 1.0f, nullptr, p.T, p.N, p.R);
}
#define RANK(TILES, NAME, V)                                                                                         \
  extern "C" __global__ void __launch_bounds__(HALF_THREADS)                                                         \
      lora_matmul_backward_input_rank_##NAME##_##V(BUFFERS(V)) {                                                     \
    (void)weight, (void)a, (void)random, (void)dx;                                                                   \
    rank_rows_half<TILES, false>(dy, b, Mask(nullptr, 0, 0.0f), p.scale, g, 1.0f, static_cast<Value_##V *>(nullptr), \
                                 p.T, p.N, p.R);                                                                     \
  }
#define RANK_16(V) RANK(2, 16, V)
#define RANK_32(V) RANK(4, 32, V)
#define RANK_64(V) RANK(8, 64, V)
FOR_HALVES(RANK_16)
FOR_HALVES(RANK_32)
FOR_HALVES(RANK_64)

#define PRODUCT(TILE, NAME, WHOLE, V)                                                                                  \
  extern "C" __global__ void __launch_bounds__(TILE::THREADS, 1) lora_matmul_backward_input_##NAME##_##V(BUFFERS(V)) { \
    (void)b;                                                                                                           \
    backward_input<TILE, WHOLE>(dy, weight, a, random, dx, g, p);                                                      \
  }
#define LARGE(V) PRODUCT(LargeTile<Value_##V>, large, true, V)
#define MEDIUM(V) PRODUCT(MediumTile<Value_##V>, medium, true, V)
#define SMALL(V) PRODUCT(SmallTile<Value_##V>, small, false, V)
#define FEW(V)                                                                                                  \
  extern "C" __global__ void __launch_bounds__(FEW_THREADS, 1) lora_matmul_backward_input_few_##V(BUFFERS(V)) { \
    (void)b;                                                                                                    \
    few(dy, weight, a, random, dx, g, p);                                                                       \
  }
FOR_FLOATS(FEW)
FOR_HALVES(LARGE)
FOR_FLOATS(MEDIUM)
FOR_FLOATS(SMALL)
PRODUCT(Tf32Tile, tf32, true, f32)
