// lora-matmul/backward-adapter (cuda)
// Math      da = gᵀ drop(x);  db = scale dyᵀ h;  each may add to what is there
// Shapes    dy [T,N] · x [T,K] · h, g [T,R] · random u32[4] · da [R,K] · db [N,R] · scratch [blocks, R, K + N] f32
// Method    Both are a narrow matrix, transposed, times a wide one (da with x, the transpose of db with dy): common/cuda/
//           gemm.cuh over 512 tokens, whose sums a second launch joins in order. Each of x and dy is read once for 64 of R.
// Tiling    SmallTile: 64 of R × 64 columns
// Launch    blocks of tokens, tiles of R, tiles of x and then of dy, folded into x · join: a thread per element
// Numerics  f32; blocks in order; stores round once
#include "../common/cuda/gemm-tiles.cuh"
#include "../common/cuda/kernel.cuh"
#include "dropout.cuh"

struct Params {
  uint32_t T, N, K, R;
  float scale, dropout;
  uint32_t sequence, accumulateA, accumulateB;
};

// As in kernels.ts.
constexpr uint32_t BLOCK_TOKENS = 512, JOIN_THREADS = 256;

template <class V>
struct Partial {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  float *sums;
  uint32_t width;

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, float (&values)[CHUNK<V>]) const {
    float *to = sums + size_t{row} * width + column;
#pragma unroll
    for (uint32_t i = 0; i < CHUNK<V>; ++i)
      if (i < count) to[i] = values[i];
  }
};

template <class V>
__device__ inline void backward_adapter(const V *dy, const V *x, const V *h, const V *g, const uint32_t *random,
                                        float *scratch, const Params &p) {
  using Tile = SmallTile<V>;
  DYNAMIC_SHARED(shared);
  const uint32_t of_x = (p.K + Tile::COLUMNS - 1) / Tile::COLUMNS, of_dy = (p.N + Tile::COLUMNS - 1) / Tile::COLUMNS;
  const uint32_t across = of_x + of_dy, down = (p.R + Tile::ROWS - 1) / Tile::ROWS;
  const uint32_t piece = blockIdx.x % across, rest = blockIdx.x / across, block = rest / down,
                 token = block * BLOCK_TOKENS;
  const bool for_a = piece < of_x;
  const uint32_t C = for_a ? p.K : p.N, column0 = (for_a ? piece : piece - of_x) * Tile::COLUMNS;
  const uint32_t tokens = min(BLOCK_TOKENS, p.T - token);
  const Mask mask(for_a ? random : nullptr, p.sequence, p.dropout);
  const Matrix<V, false, false> narrow{(for_a ? g : h) + size_t{token} * p.R, tokens, p.R, p.R, p.R % CHUNK<V> == 0};
  const DroppedMatrix<V> wide{for_a ? x : dy, token, tokens, C, C % CHUNK<V> == 0, mask};
  Product<Tile, false, false> product(shared, rest % down * Tile::ROWS, column0);
  product.multiply(narrow, wide, tokens);
  product.finish(p.R, C, Partial<V>{scratch + size_t{block} * p.R * (p.K + p.N) + (for_a ? 0 : p.R * p.K), C});
}

template <class V>
__device__ inline void backward_adapter_join(const float *scratch, V *da, V *db, const Params &p) {
  const uint32_t at = blockIdx.x * JOIN_THREADS + threadIdx.x, elements = p.R * (p.K + p.N);
  if (at >= elements) return;
  const uint32_t blocks = (p.T + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
  float sum = 0.0f;
  for (uint32_t block = 0; block < blocks; ++block) sum += scratch[size_t{block} * elements + at];
  const auto put = [&](V *to, bool accumulate, float value) {
    *to = from_float<V>(accumulate ? to_float(*to) + value : value);
  };
  if (at < p.R * p.K) {
    put(da + at, p.accumulateA, sum);
  } else {
    const uint32_t r = (at - p.R * p.K) / p.N, n = (at - p.R * p.K) % p.N;
    put(db + size_t{n} * p.R + r, p.accumulateB, p.scale * sum);
  }
}

#define BUFFERS(V)                        \
  const Value_##V *dy,        /* [T,N] */ \
      const Value_##V *x,     /* [T,K] */ \
      const Value_##V *h,     /* [T,R] */ \
      const Value_##V *g,     /* [T,R] */ \
      const uint32_t *random, /* [4] */   \
      Value_##V *da,          /* [R,K] */ \
      Value_##V *db,          /* [N,R] */ \
      float *scratch, const Params p

#define BACKWARD_ADAPTER(V)                                                                                      \
  extern "C" __global__ void __launch_bounds__(SmallTile<Value_##V>::THREADS)                                    \
      lora_matmul_backward_adapter_##V(BUFFERS(V)) {                                                             \
    (void)da, (void)db;                                                                                          \
    backward_adapter(dy, x, h, g, random, scratch, p);                                                           \
  }                                                                                                              \
  extern "C" __global__ void __launch_bounds__(JOIN_THREADS) lora_matmul_backward_adapter_join_##V(BUFFERS(V)) { \
    (void)dy, (void)x, (void)h, (void)g, (void)random;                                                           \
    backward_adapter_join(scratch, da, db, p);                                                                   \
  }
FOR_FLOATS(BACKWARD_ADAPTER)
