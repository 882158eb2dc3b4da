// The tiles there are, as gemm.ts chooses among them, and the product of each.
#pragma once
#include "gemm-fma.cuh"
#include "gemm-half.cuh"
#include "gemm-tf32.cuh"
#include "gemm.cuh"

template <class V>
using LargeTile = GemmTile<V, 256, 128, 64, 64, 4>;
// Fewer barriers, where registers are left for its addresses: both operands across k.
template <class V>
using DeepTile = GemmTile<V, 256, 128, 64, 64, 3, 8>;

template <class V>
struct MediumTileOf {
  using Tile = GemmTile<V, 128, 128, 64, 64, 4>;
};
template <>
struct MediumTileOf<float> {
  using Tile = GemmTile<float, 128, 128, 64, 32, 3>;
};
template <class V>
using MediumTile = typename MediumTileOf<V>::Tile;

template <class V>
using SmallTile = GemmTile<V, 64, 64, 32, 32, 4>;
template <class V>
using Tf32TileOf = GemmTile<V, 128, 128, 64, 32, 4>;
using Tf32Tile = Tf32TileOf<float>;

template <class T, bool LEFT_ALONG_K, bool RIGHT_ALONG_K>
struct MathOf {
  using Math = HalfMath<T, LEFT_ALONG_K, RIGHT_ALONG_K>;
};
template <uint32_t R, uint32_t C, uint32_t WR, uint32_t WC, uint32_t S, bool LEFT_ALONG_K, bool RIGHT_ALONG_K>
struct MathOf<GemmTile<float, R, C, WR, WC, S>, LEFT_ALONG_K, RIGHT_ALONG_K> {
  using Math = FmaMath<GemmTile<float, R, C, WR, WC, S>, LEFT_ALONG_K, RIGHT_ALONG_K>;
};
template <bool LEFT_ALONG_K, bool RIGHT_ALONG_K>
struct MathOf<Tf32Tile, LEFT_ALONG_K, RIGHT_ALONG_K> {
  using Math = Tf32Math<Tf32Tile, LEFT_ALONG_K, RIGHT_ALONG_K>;
};

template <class T, bool LEFT_ALONG_K, bool RIGHT_ALONG_K>
using Product = ProductOf<T, typename MathOf<T, LEFT_ALONG_K, RIGHT_ALONG_K>::Math>;
