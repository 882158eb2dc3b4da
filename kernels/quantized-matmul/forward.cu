// quantized-matmul/forward (cuda)
// Math      y[r,n] = act(sum over k of x[t,k] w[e,n,k] + bias[e,n]); w = scale q. Without lists e = 0, t = r; with them e is
//           the expert whose rows r is among, and t = order[r] / gather, or r where gather is 0
// Shapes    x [T,K] · weight [E,N,W] words, format.ts · bias [E,N] · lists: offsets[E+1] | counts[E] | order[R] | ... ·
//           y [R,N]
// Method    up to 8 rows, or few per expert: few.cuh. Else common/cuda/gemm.cuh, whose right operand is widened on its way
//           to shared memory: operand.cuh
// Tiling    few: a warp per few columns of up to 8 rows; else SmallTile, MediumTile
// Launch    pieces of rows (groups.cuh), columns, folded into x
// Numerics  f32 sums; stores round once; in the product of 16-bit values a weight rounds to 16 bits
// Limits    rows past the last group become zeros; offsets and order are kept within R and T whatever they hold
#include "../common/cuda/activation.cuh"
#include "../common/cuda/gemm-run.cuh"
#include "../common/cuda/gemm-tiles.cuh"
#include "few.cuh"
#include "groups.cuh"
#include "operand.cuh"

struct Params {
  uint32_t T, R, E, N, K, W, L, bits, group, gather, activation, hasBias, grouped;
};

template <class V>
struct Buffers {
  const V *x;              // [T,K]
  const uint32_t *weight;  // [E,N,W]
  const V *bias;           // [E,N]
  const int32_t *lists;    // [L]
  V *y;                    // [R,N]
};

// Where the row of x of row r of y is.
template <class V>
__device__ inline Rows rows_of(const Buffers<V> &b, const Params &p) {
  return p.gather ? Rows(b.lists + 2 * p.E + 1, p.gather, p.T) : Rows();
}

template <uint32_t BITS, class V>
__device__ inline QuantizedMatrix<BITS> expert_of(const Buffers<V> &b, const Params &p, uint32_t e) {
  return {b.weight + size_t{e} * p.N * p.W, p.N, p.W, p.K, p.group};
}

template <class V>
struct Activated {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  Runs<V> y;
  const V *bias;  // of the expert, or nullptr
  uint32_t activation;

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, float (&sums)[RUN<V>]) const {
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i)
      if (i < count) sums[i] = activate(activation, sums[i] + (bias ? to_float(bias[column + i]) : 0.0f));
    y.write(row, column, count, sums);
  }
};

template <uint32_t ROWS, uint32_t BITS, class V>
__device__ inline void forward_few(const Buffers<V> &b, const Params &p) {
  constexpr uint32_t COLUMNS = FEW_COLUMNS<ROWS>, BLOCK_COLUMNS = FEW_WARPS * COLUMNS;
  const uint32_t across = (p.N + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
  const uint32_t column = blockIdx.x % across * BLOCK_COLUMNS + threadIdx.x / WARP * COLUMNS;
  const Piece piece = find_piece<ROWS>(p.grouped ? b.lists : nullptr, p.E, p.R, blockIdx.x / across);
  if (column >= p.N || piece.begin >= piece.end) return;
  V *const y = b.y + size_t{piece.begin} * p.N + column;
  if (piece.expert >= p.E) {
    const uint32_t n = threadIdx.x % WARP, i = n / COLUMNS, j = n % COLUMNS;
    if (i < piece.end - piece.begin && column + j < p.N) y[size_t{i} * p.N + j] = from_float<V>(0.0f);
    return;
  }
  const Rows rows = rows_of(b, p);
  multiply_few<V, BITS, ROWS>(
      expert_of<BITS>(b, p, piece.expert), column, piece.end - piece.begin,
      [&](uint32_t i) { return b.x + size_t{rows.at(piece.begin + i)} * p.K; },
      [&](uint32_t i, uint32_t j, float sum) {
        if (p.hasBias) sum += to_float(b.bias[size_t{piece.expert} * p.N + column + j]);
        y[size_t{i} * p.N + j] = from_float<V>(activate(p.activation, sum));
      });
}

template <class Tile, uint32_t BITS, class V>
__device__ inline void forward_tiled(const Buffers<V> &b, const Params &p) {
  DYNAMIC_SHARED(shared);
  const uint32_t across = (p.N + Tile::COLUMNS - 1) / Tile::COLUMNS, column0 = blockIdx.x % across * Tile::COLUMNS;
  const Piece piece = find_piece<Tile::ROWS>(p.grouped ? b.lists : nullptr, p.E, p.R, blockIdx.x / across);
  if (piece.begin >= piece.end) return;
  Product<Tile, true, true> product(shared, piece.begin, column0);
  if (piece.expert >= p.E) {
    product.finish(piece.end, p.N, Activated<V>{{b.y, p.N}, nullptr, 0});
    return;
  }
  // Rows of x are whole groups: multiples of 16 bytes.
  product.multiply(Matrix<V, true, true, true>{b.x, piece.end, p.K, p.K, true, rows_of(b, p)},
                   QuantizedRows<V, BITS>{expert_of<BITS>(b, p, piece.expert)}, p.K);
  product.finish(piece.end, p.N,
                 Activated<V>{{b.y, p.N}, p.hasBias ? b.bias + size_t{piece.expert} * p.N : nullptr, p.activation});
}

#define FORWARD(V, THREADS, NAME, BODY)                                           \
  extern "C" __global__ void __launch_bounds__(THREADS)                           \
      quantized_matmul_forward_##NAME##_##V(const Value_##V *x,     /* [T,K] */   \
                                            const uint32_t *weight, /* [E,N,W] */ \
                                            const Value_##V *bias,  /* [E,N] */   \
                                            const int32_t *lists,   /* [L] */     \
                                            Value_##V *y,           /* [R,N] */   \
                                            const Params p) {                     \
    const Buffers<Value_##V> buffers = {x, weight, bias, lists, y};               \
    if (p.bits == 4)                                                              \
      BODY(V, 4);                                                                 \
    else                                                                          \
      BODY(V, 8);                                                                 \
  }
#define FEW_1(V, BITS) forward_few<1, BITS>(buffers, p)
#define FEW_4(V, BITS) forward_few<4, BITS>(buffers, p)
#define FEW_8(V, BITS) forward_few<8, BITS>(buffers, p)
#define SMALL(V, BITS) forward_tiled<SmallTile<Value_##V>, BITS>(buffers, p)
#define MEDIUM(V, BITS) forward_tiled<MediumTile<Value_##V>, BITS>(buffers, p)
#define FORWARD_OF(V)                                     \
  FORWARD(V, FEW_WARPS *WARP, few_1, FEW_1)               \
  FORWARD(V, FEW_WARPS *WARP, few_4, FEW_4)               \
  FORWARD(V, FEW_WARPS *WARP, few_8, FEW_8)               \
  FORWARD(V, SmallTile<Value_##V>::THREADS, small, SMALL) \
  FORWARD(V, MediumTile<Value_##V>::THREADS, medium, MEDIUM)
FOR_FLOATS(FORWARD_OF)
