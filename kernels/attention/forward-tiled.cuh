// attention/forward in tiles on tensor cores, for values of 16 bits
// Method    FlashAttention-2 (Dao, arXiv 2307.08691): a block owns ROWS queries of a head; for each 64 keys, the prefix
//           first, scores in registers, running maximum and sum, weights as the left operand of the product with the
//           values. Values of a tile arrive while its scores are computed, the next keys while the values are used.
//           Only tiles at the causal edge, or with padding, compare places.
// Tiling    4 warps of 32 queries, of 16 where WIDTH is 256
// Numerics  weights round to 16 bits before they meet the values; sums in f32
#pragma once
#include "../common/cuda/exponential.cuh"
#include "tile.cuh"

template <uint32_t WIDTH>
struct ForwardShape {
  static constexpr uint32_t THREADS = 128, KEYS = 64, PARTS = WIDTH > 128 ? 1 : 2, OWN = 16 * PARTS, ROWS = 4 * OWN;
};

// Scores of a tile whose first key is j0: HIDDEN where `ends` (of rows lane / 4 and 8 more) or `kept` say so.
template <uint32_t N>
__device__ inline void hide(float (&scores)[N][4], uint32_t j0, const uint32_t (&ends)[2], uint64_t kept) {
  const uint32_t lane = threadIdx.x % WARP;
#pragma unroll
  for (uint32_t n = 0; n < N; ++n) {
#pragma unroll
    for (uint32_t e = 0; e < 4; ++e) {
      const uint32_t column = 8 * n + lane % 4 * 2 + e % 2;
      if (j0 + column >= ends[e / 2] || !(kept >> column & 1)) scores[n][e] = HIDDEN;
    }
  }
}

// Elements of two rows that dropout leaves out become 0.
template <uint32_t N>
__device__ inline void drop(float (&weights)[N][4], uint64_t row, uint64_t row8) {
  const uint32_t lane = threadIdx.x % WARP;
#pragma unroll
  for (uint32_t n = 0; n < N; ++n) {
#pragma unroll
    for (uint32_t e = 0; e < 4; ++e) {
      const uint32_t column = 8 * n + lane % 4 * 2 + e % 2;
      if (!((e < 2 ? row : row8) >> column & 1)) weights[n][e] = 0.0f;
    }
  }
}

// Scores to weights of the raised maximum, of row lane / 4 (HALF 0) or 8 more. Returns what the sums so far shrink by.
template <uint32_t HALF, uint32_t N>
__device__ inline float soften(float (&scores)[N][4], float &maximum, float &sum) {
  float raised = maximum;
#pragma unroll
  for (uint32_t n = 0; n < N; ++n) raised = fmaxf(raised, fmaxf(scores[n][2 * HALF], scores[n][2 * HALF + 1]));
  raised = fmaxf(raised, shuffle_xor(raised, 1));
  raised = fmaxf(raised, shuffle_xor(raised, 2));
  const float correction = exponential2(maximum - raised);
  maximum = raised;
  sum *= correction;
#pragma unroll
  for (uint32_t n = 0; n < N; ++n) {
#pragma unroll
    for (uint32_t e = 2 * HALF; e < 2 * HALF + 2; ++e) {
      scores[n][e] = exponential2(scores[n][e] - raised);
      sum += scores[n][e];
    }
  }
  return correction;
}

template <class V, uint32_t WIDTH>
__device__ inline void forward_tiled(const Inputs<V> &in, V *y, float *lse, const Params &p) {
  using Shape = ForwardShape<WIDTH>;
  constexpr uint32_t KEYS = Shape::KEYS, PARTS = Shape::PARTS, ROWS = Shape::ROWS, THREADS = Shape::THREADS;
  DYNAMIC_SHARED(shared);
  V *const queries = reinterpret_cast<V *>(shared);  // [ROWS], then the results
  V *const keys = queries + ROWS * PITCH<WIDTH>;     // [KEYS]
  V *const values = keys + KEYS * PITCH<WIDTH>;      // [KEYS]

  // Of a causal mask the longest first.
  const uint32_t tiles = ceil_div(p.L, ROWS), tile = tiles - 1 - blockIdx.x % tiles, head = blockIdx.x / tiles;
  const uint32_t batch = head / p.H, h = head % p.H, g = h / (p.H / p.G);
  const uint32_t lane = threadIdx.x % WARP, row0 = tile * ROWS, own = threadIdx.x / WARP * Shape::OWN;
  const bool vectors = in_vectors(p);
  const Rows<const V> query_at = query_rows(in.q, p, batch, h);
  const KeyRows<V> key_at = key_rows(in, p, batch, g), value_at = value_rows(in, p, batch, g);
  const uint32_t end = edge(p, min(p.L, row0 + ROWS) - 1);
  const auto load = [&](V *to, const KeyRows<V> &rows, uint32_t j0, uint64_t kept) {
    load_tile<KEYS, WIDTH, THREADS>(to, in.q, p.D, vectors,
                                    [&](uint32_t n) { return kept >> n & 1 ? rows.at(j0 + n) : nullptr; });
    cp_async_commit();
  };

  load_tile<ROWS, WIDTH, THREADS>(queries, in.q, p.D, vectors,
                                  [&](uint32_t r) { return row0 + r < p.L ? query_at.at(row0 + r) : nullptr; });
  uint64_t kept = kept_keys(p, in.mask, batch, 0);
  load(keys, key_at, 0, kept);

  float result[PARTS][WIDTH / 8][4] = {}, maximum[PARTS][2], sum[PARTS][2] = {};
  uint32_t ends[PARTS][2];
#pragma unroll
  for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      maximum[part][half] = FLOOR;
      ends[part][half] = edge(p, row0 + own + 16 * part + 8 * half + lane / 4);
    }
  }
  const uint32_t seen_by_all = edge(p, row0 + own);
  const float scale = p.scale * LOG2E;

  for (uint32_t j0 = 0; j0 < end; j0 += KEYS) {
    cp_async_wait<0>();
    __syncthreads();  // the keys are there, the last values have been used
    load(values, value_at, j0, kept);

    float scores[PARTS][KEYS / 8][4] = {};
#pragma unroll
    for (uint32_t k = 0; k < WIDTH; k += 16) {
      uint32_t a[PARTS][4];
#pragma unroll
      for (uint32_t part = 0; part < PARTS; ++part) load_left<WIDTH>(a[part], queries, own + 16 * part, k);
#pragma unroll
      for (uint32_t n = 0; n < KEYS / 8; n += 2) {
        uint32_t first[2], second[2];
        load_right_rows<WIDTH>(first, second, keys, 8 * n, k);
#pragma unroll
        for (uint32_t part = 0; part < PARTS; ++part) {
          mma_m16n8k16(scores[part][n], a[part], first, V{});
          mma_m16n8k16(scores[part][n + 1], a[part], second, V{});
        }
      }
    }
    const uint64_t kept_here = kept;
    kept = kept_keys(p, in.mask, batch, j0 + KEYS);
    cp_async_wait<0>();
    __syncthreads();  // the values are there, the keys have been used
    if (j0 + KEYS < end) load(keys, key_at, j0 + KEYS, kept);

#pragma unroll
    for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
      for (uint32_t n = 0; n < KEYS / 8; ++n) {
#pragma unroll
        for (uint32_t e = 0; e < 4; ++e) scores[part][n][e] *= scale;
      }
      if (j0 + KEYS > seen_by_all || kept_here != ~uint64_t{0}) hide(scores[part], j0, ends[part], kept_here);
      const float correction = soften<0>(scores[part], maximum[part][0], sum[part][0]);
      const float correction8 = soften<1>(scores[part], maximum[part][1], sum[part][1]);
#pragma unroll
      for (uint32_t n = 0; n < WIDTH / 8; ++n) {
        result[part][n][0] *= correction, result[part][n][1] *= correction;
        result[part][n][2] *= correction8, result[part][n][3] *= correction8;
      }
      if (p.dropout > 0.0f) {
        const uint32_t position = first_position(p, batch, h, row0 + own + 16 * part + lane / 4) + j0;
        const uint64_t row = surviving(p, in.random, position);
        drop(scores[part], row, surviving(p, in.random, position + 8 * (p.P + p.S)));
      }
    }
#pragma unroll
    for (uint32_t k = 0; k < KEYS / 16; ++k) {
      uint32_t a[PARTS][4];
#pragma unroll
      for (uint32_t part = 0; part < PARTS; ++part) as_left<V>(a[part], scores[part], k);
#pragma unroll
      for (uint32_t n = 0; n < WIDTH / 8; n += 2) {
        uint32_t first[2], second[2];
        load_right_columns<WIDTH>(first, second, values, 16 * k, 8 * n);
#pragma unroll
        for (uint32_t part = 0; part < PARTS; ++part) {
          mma_m16n8k16(result[part][n], a[part], first, V{});
          mma_m16n8k16(result[part][n + 1], a[part], second, V{});
        }
      }
    }
  }
  // Without a key nothing has waited for the copies, which the results are about to overwrite.
  cp_async_wait<0>();
  __syncthreads();

  const Rows<V> result_at = result_rows(y, p, batch, h);
  const float keep = 1.0f / (1.0f - p.dropout);
#pragma unroll
  for (uint32_t part = 0; part < PARTS; ++part) {
    float factors[2];
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      float total = sum[part][half];
      total += shuffle_xor(total, 1);
      total += shuffle_xor(total, 2);
      factors[half] = total == 0.0f ? 0.0f : keep / total;
      const uint32_t i = row0 + own + 16 * part + 8 * half + lane / 4;
      if (lane % 4 == 0 && i < p.L)
        lse[size_t{head} * p.L + i] = total == 0.0f ? NO_KEYS : maximum[part][half] * LN2 + logf(total);
    }
    store_rows<WIDTH>(queries, own + 16 * part, result[part], factors[0], factors[1], p.D, vectors,
                      [&](uint32_t r) { return row0 + r < p.L ? result_at.at(row0 + r) : nullptr; });
  }
}
