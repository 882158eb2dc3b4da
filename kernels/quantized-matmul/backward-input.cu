// quantized-matmul/backward-input (cuda)
// Math      dx[r,k] = sum over n of dy[r,n] w[e,n,k]; w = scale q, e the expert whose rows r is among
// Shapes    dy [R,N] · weight [E,N,W] words, format.ts · lists: offsets[E+1] | ... · dx [R,K]
// Method    common/cuda/gemm.cuh, whose right operand is widened on its way to shared memory: operand.cuh
// Tiling    SmallTile, MediumTile
// Launch    pieces of rows (groups.cuh), columns, folded into x
// Numerics  f32 sums; stores round once; of 16-bit values a weight rounds to 16 bits
// Limits    rows past the last group become zeros; offsets are kept within R whatever they hold
#include "../common/cuda/gemm-run.cuh"
#include "../common/cuda/gemm-tiles.cuh"
#include "groups.cuh"
#include "operand.cuh"

struct Params {
  uint32_t R, E, N, K, W, L, bits, group, grouped;
};

template <class V>
struct Gradient {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  Runs<V> dx;

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, float (&sums)[RUN<V>]) const {
    dx.write(row, column, count, sums);
  }
};

template <class Tile, uint32_t BITS, class V>
__device__ inline void backward_input(const V *dy, const uint32_t *weight, const int32_t *lists, V *dx,
                                      const Params &p) {
  DYNAMIC_SHARED(shared);
  const uint32_t across = (p.K + Tile::COLUMNS - 1) / Tile::COLUMNS, column0 = blockIdx.x % across * Tile::COLUMNS;
  const Piece piece = find_piece<Tile::ROWS>(p.grouped ? lists : nullptr, p.E, p.R, blockIdx.x / across);
  if (piece.begin >= piece.end) return;
  Product<Tile, true, false> product(shared, piece.begin, column0);
  if (piece.expert < p.E)
    product.multiply(Matrix<V, true, false>{dy, piece.end, p.N, p.N, p.N % CHUNK<V> == 0},
                     QuantizedColumns<V, BITS>{{{weight + size_t{piece.expert} * p.N * p.W, p.N, p.W, p.K, p.group}}},
                     p.N);
  product.finish(piece.end, p.K, Gradient<V>{{dx, p.K}});
}

#define BACKWARD_INPUT(V, TILE, NAME)                                                                                  \
  extern "C" __global__ void __launch_bounds__(TILE<Value_##V>::THREADS) quantized_matmul_backward_input_##NAME##_##V( \
      const Value_##V *dy, const uint32_t *weight, const int32_t *lists, Value_##V *dx, const Params p) {              \
    if (p.bits == 4)                                                                                                   \
      backward_input<TILE<Value_##V>, 4>(dy, weight, lists, dx, p);                                                    \
    else                                                                                                               \
      backward_input<TILE<Value_##V>, 8>(dy, weight, lists, dx, p);                                                    \
  }
#define BACKWARD_INPUT_OF(V) BACKWARD_INPUT(V, SmallTile, small) BACKWARD_INPUT(V, MediumTile, medium)
FOR_FLOATS(BACKWARD_INPUT_OF)
