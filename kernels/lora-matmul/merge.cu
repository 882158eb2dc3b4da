// lora-matmul/merge (cuda)
// Math      weight += scale b a
// Shapes    weight [N,K] · a [R,K] · b [N,R]
// Method    common/cuda/gemm.cuh; the epilogue reads the weight, once
// Tiling    SmallTile
// Launch    a block per tile
// Numerics  f32; the weight is rounded once, so taking out again restores it within one rounding
#include "../common/cuda/gemm-run.cuh"
#include "../common/cuda/gemm-tiles.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t N, K, R;
  float scale;
};

template <class V>
struct Merged {
  static constexpr bool PAIRED = false, ROW_SUMS = false;
  Runs<V> weight;
  float scale;

  __device__ void operator()(uint32_t row, uint32_t column, uint32_t count, float (&sums)[RUN<V>]) const {
    float before[RUN<V>];
    weight.read(row, column, count, before);
#pragma unroll
    for (uint32_t i = 0; i < RUN<V>; ++i) sums[i] = fmaf(scale, sums[i], before[i]);
    weight.write(row, column, count, sums);
  }
};

template <class V>
__device__ inline void merge(V *weight, const V *a, const V *b, const Params &p) {
  using Tile = SmallTile<V>;
  DYNAMIC_SHARED(shared);
  const uint32_t across = (p.K + Tile::COLUMNS - 1) / Tile::COLUMNS;
  Product<Tile, true, false> product(shared, blockIdx.x / across * Tile::ROWS, blockIdx.x % across * Tile::COLUMNS);
  product.multiply(Matrix<V, true, false>{b, p.N, p.R, p.R, p.R % CHUNK<V> == 0},
                   Matrix<V, false, false>{a, p.R, p.K, p.K, p.K % CHUNK<V> == 0}, p.R);
  product.finish(p.N, p.K, Merged<V>{{weight, p.K}, p.scale});
}

#define MERGE(V)                                                                                         \
  extern "C" __global__ void __launch_bounds__(SmallTile<Value_##V>::THREADS)                            \
      lora_matmul_merge_##V(Value_##V *weight, const Value_##V *a, const Value_##V *b, const Params p) { \
    merge(weight, a, b, p);                                                                              \
  }
FOR_FLOATS(MERGE)
