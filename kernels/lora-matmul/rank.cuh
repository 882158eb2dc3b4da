// The rows that come out of an adapter's first matrix, of f32
// Math      rank[t,r] = scale Σ_k (mask ∘ x)[t,k] p[k,r]
// Shapes    x [T,K] · p as it is stored: [R,K] (ALONG_K) or [K,R] · rank [T,R], and times `again` [T,R]
// Method    bound by reading x, once for every eight of R: a block has TOKENS rows, a thread 8 of their columns at a time
//           and all TOKENS × RANKS sums of them. Lanes hand half of their sums to each other, so that each ends with two.
// Launch    grid ceil(T / TOKENS) ceil(R / RANKS), 128 threads
// Numerics  f32; sums of eights modulo the block apart, then joined in order
#pragma once
#include "../common/cuda/kernel.cuh"
#include "../common/cuda/shuffle.cuh"
#include "dropout.cuh"

constexpr uint32_t RANK_THREADS = 128, TOKENS = 8, RANKS = 8, EIGHT = 8;

// Eight values from `from` on, of which `count` are there.
__device__ inline void load_eight(float (&values)[EIGHT], const float *from, uint32_t count, bool aligned) {
  if (aligned && count >= EIGHT) {
    const auto all = *reinterpret_cast<const Vector<float, EIGHT> *>(from);
#pragma unroll
    for (uint32_t i = 0; i < EIGHT; ++i) values[i] = all.values[i];
  } else {
#pragma unroll
    for (uint32_t i = 0; i < EIGHT; ++i) values[i] = i < count ? from[i] : 0.0f;
  }
}

// What is left of `size` from `first` on.
__device__ inline uint32_t rest(uint32_t size, uint32_t first) { return first < size ? size - first : 0; }

// Of N values of all lanes the sums of two, 2 lane and 2 lane + 1 where N is 64: a lane hands half of them to another.
template <uint32_t N>
__device__ inline void share_sums(float (&values)[TOKENS * RANKS]) {
  constexpr uint32_t HALF = N / 2;
  const bool upper = (threadIdx.x & HALF / 2) != 0;
#pragma unroll
  for (uint32_t i = 0; i < HALF; ++i) {
    const float kept = upper ? values[i + HALF] : values[i], given = upper ? values[i] : values[i + HALF];
    values[i] = kept + shuffle_xor(given, HALF / 2);
  }
  if constexpr (HALF > 2) share_sums<HALF>(values);
}

template <bool ALONG_K>
__device__ inline void rank_rows(const float *x, const float *p, const Mask &mask, float scale, float *rank,
                                 float again, float *scaled, uint32_t T, uint32_t K, uint32_t R) {
  __shared__ float partial[RANK_THREADS / WARP][TOKENS * RANKS];
  const uint32_t across = (R + RANKS - 1) / RANKS, t0 = blockIdx.x / across * TOKENS, r0 = blockIdx.x % across * RANKS;
  const bool aligned = K % EIGHT == 0, aligned_p = (ALONG_K ? K : R) % EIGHT == 0;
  float sums[TOKENS * RANKS] = {};
  for (uint32_t k = threadIdx.x * EIGHT; k < K; k += RANK_THREADS * EIGHT) {
    float adapter[RANKS][EIGHT];
#pragma unroll
    for (uint32_t i = 0; i < EIGHT; ++i) {
      if constexpr (ALONG_K) {
        const uint32_t r = min(r0 + i, R - 1);
        load_eight(adapter[i], p + size_t{r} * K + k, rest(K, k), aligned_p);
      } else {
        float line[RANKS];
        load_eight(line, p + size_t{min(k + i, K - 1)} * R + r0, rest(R, r0), aligned_p);
#pragma unroll
        for (uint32_t r = 0; r < RANKS; ++r) adapter[r][i] = line[r];
      }
    }
#pragma unroll
    for (uint32_t n = 0; n < TOKENS; ++n) {
      const size_t at = size_t{min(t0 + n, T - 1)} * K + k;
      float values[EIGHT];
      load_eight(values, x + at, rest(K, k), aligned);
      mask.apply(values, static_cast<uint32_t>(at));
#pragma unroll
      for (uint32_t r = 0; r < RANKS; ++r) {
#pragma unroll
        for (uint32_t i = 0; i < EIGHT; ++i) sums[n * RANKS + r] = fmaf(values[i], adapter[r][i], sums[n * RANKS + r]);
      }
    }
  }
  share_sums<TOKENS * RANKS>(sums);
  const uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  partial[warp][2 * lane] = sums[0];
  partial[warp][2 * lane + 1] = sums[1];
  __syncthreads();
  const uint32_t t = t0 + threadIdx.x / RANKS, r = r0 + threadIdx.x % RANKS;
  if (threadIdx.x >= TOKENS * RANKS || t >= T || r >= R) return;
  float sum = 0.0f;
  for (uint32_t w = 0; w < RANK_THREADS / WARP; ++w) sum += partial[w][threadIdx.x];
  rank[size_t{t} * R + r] = sum * scale;
  if (scaled) scaled[size_t{t} * R + r] = sum * scale * again;
}
