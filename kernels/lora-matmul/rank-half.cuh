// The rows that come out of an adapter's first matrix, of 16-bit values
// Math      rank[t,r] = scale Σ_k (mask ∘ x)[t,k] p[k,r]
// Shapes    x [T,K] · p as it is stored: [R,K] (ALONG_K) or [K,R] · rank [T,R], and times `again` [T,R]
// Method    m16n8k16 on the tensor cores, bound by reading x, once for every 8 TILES of R. The order of k in a product is
//           free as long as both operands have the same: lane 4 g + t takes eight k from 8 t on, of two steps, so that it loads
//           whole vectors from global memory straight into fragments. Where p has k below each other, it loads TILES
//           neighbours of R, one for each fragment
// Tiling    a block has 32 tokens; its warps share out k by 32
// Launch    grid ceil(T / HALF_TOKENS) ceil(R / (8 TILES)), HALF_THREADS threads
// Numerics  f32; sums of the warps are joined in order. What dropout leaves is scaled in the sum, not rounded
#pragma once
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/mma.cuh"
#include "../common/cuda/shuffle.cuh"
#include "dropout.cuh"

constexpr uint32_t HALF_THREADS = 256, HALF_WARPS = HALF_THREADS / WARP, HALF_TOKENS = 32, HALF_STEP = 32;

template <bool WHOLE>
struct Whole {
  static constexpr bool IS = WHOLE;
};

// Values side by side as a register holds them.
template <class V>
__device__ inline uint32_t pair_of(V low, V high) {
  return low.bits | uint32_t{high.bits} << 16;
}

// N values from `from` on, zeros where they are not among `count`. WHOLE: all are there, and aligned.
template <bool WHOLE, uint32_t N, class V>
__device__ inline Vector<V, N> load_line(const V *from, uint32_t count) {
  if constexpr (WHOLE) return *reinterpret_cast<const Vector<V, N> *>(from);
  Vector<V, N> line = {};
#pragma unroll
  for (uint32_t i = 0; i < N; ++i)
    if (i < count) line.values[i] = from[i];
  return line;
}

template <bool WHOLE, class V>
__device__ inline void load_pairs(uint32_t (&pairs)[4], const V *from, uint32_t count) {
  const auto eight = load_line<WHOLE, 8>(from, count);
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) pairs[i] = pair_of(eight.values[2 * i], eight.values[2 * i + 1]);
}

// The adapter as a lane needs it for eight k from `k` on: pairs of k, for the fragments of 8 TILES of R from r0 on. What is
// past R is anything.
template <uint32_t TILES, bool ALONG_K, bool WHOLE, class V>
__device__ inline void load_adapter(uint32_t (&right)[TILES][4], const V *p, uint32_t k, uint32_t r0, uint32_t K,
                                    uint32_t R) {
  const uint32_t g = threadIdx.x % WARP / 4, count = k < K ? K - k : 0;
  if constexpr (ALONG_K) {
#pragma unroll
    for (uint32_t j = 0; j < TILES; ++j)
      load_pairs<WHOLE>(right[j], p + size_t{min(r0 + 8 * j + g, R - 1)} * K + k, count);
  } else {
    const uint32_t first = r0 + TILES * g, r = WHOLE ? min(first, R - TILES) : first, there = r < R ? R - r : 0;
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      const V *from = p + size_t{k + 2 * i} * R + r;
      const auto low = load_line<WHOLE, TILES>(from, 2 * i < count ? there : 0);
      const auto high = load_line<WHOLE, TILES>(from + R, 2 * i + 1 < count ? there : 0);
#pragma unroll
      for (uint32_t j = 0; j < TILES; ++j) right[j][i] = pair_of(low.values[j], high.values[j]);
    }
  }
}

template <uint32_t TILES, bool ALONG_K, class V>
__device__ inline void rank_rows_half(const V *x, const V *p, const Mask &mask, float scale, V *rank, float again,
                                      V *scaled, uint32_t T, uint32_t K, uint32_t R) {
  constexpr uint32_t RANKS = 8 * TILES;
  __shared__ float partial[HALF_WARPS][16][RANKS];
  const uint32_t across = (R + RANKS - 1) / RANKS, r0 = blockIdx.x % across * RANKS;
  const uint32_t t0 = blockIdx.x / across * HALF_TOKENS;
  const uint32_t warp = threadIdx.x / WARP, g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;

  float sums[2][TILES][4] = {};
  const auto add = [&](auto whole, uint32_t step) {
    constexpr bool WHOLE = decltype(whole)::IS;
    const uint32_t k = step + 8 * t;
    uint32_t left[4][4], right[TILES][4];
#pragma unroll
    for (uint32_t n = 0; n < 4; ++n)
      load_pairs<WHOLE>(left[n], x + size_t{min(t0 + 8 * n + g, T - 1)} * K + k, k < K ? K - k : 0);
    load_adapter<TILES, ALONG_K, WHOLE>(right, p, k, r0, K, R);
    if (mask.random) {
#pragma unroll
      for (uint32_t n = 0; n < 4; ++n) {
        const uint32_t kept = mask.kept<8>(min(t0 + 8 * n + g, T - 1) * K + k);
#pragma unroll
        for (uint32_t i = 0; i < 4; ++i)
          left[n][i] &= (kept >> 2 * i & 1 ? 0xffffu : 0u) | (kept >> 2 * i & 2 ? 0xffff0000u : 0u);
      }
    }
#pragma unroll
    for (uint32_t s = 0; s < 2; ++s) {
#pragma unroll
      for (uint32_t m = 0; m < 2; ++m) {
        const uint32_t fragment[4] = {left[2 * m][2 * s], left[2 * m + 1][2 * s], left[2 * m][2 * s + 1],
                                      left[2 * m + 1][2 * s + 1]};
#pragma unroll
        for (uint32_t j = 0; j < TILES; ++j)
          mma_m16n8k16(sums[m][j], fragment, {right[j][2 * s], right[j][2 * s + 1]}, V{});
      }
    }
  };
  uint32_t step = warp * HALF_STEP;
  if (K % 8 == 0 && (ALONG_K || R % TILES == 0)) {
#pragma unroll 2
    for (; step + HALF_STEP <= K; step += HALF_WARPS * HALF_STEP) add(Whole<true>(), step);
  }
  for (; step < K; step += HALF_WARPS * HALF_STEP) add(Whole<false>(), step);

  const float factor = scale * mask.factor();
#pragma unroll
  for (uint32_t m = 0; m < 2; ++m) {
    __syncthreads();
#pragma unroll
    for (uint32_t j = 0; j < TILES; ++j) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) {
        const uint32_t column = 2 * t + i % 2;
        partial[warp][g + i / 2 * 8][ALONG_K ? 8 * j + column : TILES * column + j] = sums[m][j][i];
      }
    }
    __syncthreads();
    for (uint32_t at = threadIdx.x; at < 16 * RANKS; at += HALF_THREADS) {
      const uint32_t row = t0 + 16 * m + at / RANKS, r = r0 + at % RANKS;
      if (row >= T || r >= R) continue;
      float sum = 0.0f;
      for (uint32_t w = 0; w < HALF_WARPS; ++w) sum += partial[w][at / RANKS][at % RANKS];
      sum *= factor;
      rank[size_t{row} * R + r] = from_float<V>(sum);
      if (scaled) scaled[size_t{row} * R + r] = from_float<V>(sum * again);
    }
  }
}
