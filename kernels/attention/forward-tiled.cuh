// attention/forward in tiles on tensor cores, for values of 16 bits
// Method    FlashAttention-2 (Dao, arXiv 2307.08691): a block owns ROWS queries of a head; for each KEYS keys, the prefix
//           first, scores in registers, running maximum and sum, weights as the left operand of the product with the
//           values. Values of a tile arrive while its scores are computed, the next keys while the values are used.
//           Only tiles at the causal edge, or with padding, compare places. The maximum follows where a tile exceeds it by
//           SLACK or more, so that most tiles leave the result as it is; queries do not depend on their neighbours in that.
// Tiling    4 warps of 32 queries, of 16 where WIDTH is 256; up to a WIDTH of 64 registers hold them. Random numbers take
//           registers, too: with dropout and a WIDTH above 64 it is 32 keys at a time.
// Numerics  weights, up to 2^SLACK, round to 16 bits before they meet the values; sums in f32
#pragma once
#include "../common/cuda/anew.cuh"
#include "../common/cuda/exponential.cuh"
#include "tile.cuh"

constexpr uint32_t FORWARD_THREADS = 128;

template <uint32_t WIDTH, bool DROPS>
struct ForwardShape {
  static constexpr uint32_t KEYS = DROPS && WIDTH > 64 ? 32 : 64, PARTS = WIDTH > 128 ? 1 : 2, OWN = 16 * PARTS,
                            ROWS = 4 * OWN;
  static constexpr bool HELD = WIDTH <= 64;
};

// In base 2.
constexpr float SLACK = 8.0f;
// Below it a scale makes no difference, and a hidden score, times it, would not be low enough.
constexpr float LEAST_SCALE = 1e-27f;

// Scores, times `scale`, to weights relative to `maximum`, of row lane / 4 (HALF 0) or 8 more. Returns what the sums so far
// shrink by.
template <uint32_t HALF, uint32_t N>
__device__ inline float soften(float (&scores)[N][4], float scale, float &maximum, float &sum) {
  float highest = fmaxf(scores[0][2 * HALF], scores[0][2 * HALF + 1]);
#pragma unroll
  for (uint32_t n = 1; n < N; ++n) highest = fmaxf(highest, fmaxf(scores[n][2 * HALF], scores[n][2 * HALF + 1]));
  highest = fmaxf(highest, shuffle_xor(highest, 1));
  highest = scale * fmaxf(highest, shuffle_xor(highest, 2));
  const float raised = highest > maximum + SLACK ? highest : maximum;
  const float correction = exponential2(maximum - raised);
  maximum = raised;
  sum *= correction;
#pragma unroll
  for (uint32_t n = 0; n < N; ++n) {
#pragma unroll
    for (uint32_t e = 2 * HALF; e < 2 * HALF + 2; ++e) {
      scores[n][e] = exponential2(fmaf(scores[n][e], scale, -raised));
      sum += scores[n][e];
    }
  }
  return correction;
}

template <class V, uint32_t WIDTH, bool DROPS>
__device__ inline void forward_tiled(const Inputs<V> &in, V *y, float *lse, const Params &p) {
  using Shape = ForwardShape<WIDTH, DROPS>;
  constexpr uint32_t KEYS = Shape::KEYS, PARTS = Shape::PARTS, ROWS = Shape::ROWS, THREADS = FORWARD_THREADS;
  DYNAMIC_SHARED(shared);
  V *const queries = reinterpret_cast<V *>(shared);  // [ROWS], then the results
  V *const keys = queries + ROWS * PITCH<WIDTH>;     // [KEYS]
  V *const values = keys + KEYS * PITCH<WIDTH>;      // [KEYS]

  // Of a causal mask the last queries see the most.
  const uint32_t tiles = ceil_div(p.L, ROWS);
  const BlockPlace place = block_place(blockIdx.x, p.B * p.H, tiles);
  const uint32_t head = place.head, row0 = (tiles - 1 - place.rank) * ROWS;
  const uint32_t batch = head / p.H, h = head % p.H, g = h / (p.H / p.G);
  const uint32_t lane = threadIdx.x % WARP, own = threadIdx.x / WARP * Shape::OWN;
  const bool vectors = in_vectors(p);
  const uint32_t end = edge(p, min(p.L, row0 + ROWS) - 1);
  const auto load = [&](V *to, auto rows_of, uint32_t j0, uint64_t kept) {
    const KeyRows<V> rows = rows_of(in, p, anew(batch), g);
    if (vectors && kept == ~uint64_t{0} && rows.alike(j0, KEYS))
      load_whole<KEYS, WIDTH, THREADS>(to, rows.of(j0), rows.within(j0), p.D);
    else
      load_tile<KEYS, WIDTH, THREADS>(to, in.q, p.D, vectors,
                                      [&](uint32_t n) { return kept >> n & 1 ? rows.at(j0 + n) : nullptr; });
    cp_async_commit();
  };
  const auto row_of = [&](uint32_t part, uint32_t half) { return row0 + own + 16 * part + 8 * half + lane / 4; };

  uint64_t kept = kept_keys(p, in.mask, batch, 0);
  load(keys, key_rows<V>, 0, kept);
  load_rows<ROWS, WIDTH, THREADS>(queries, query_rows(in.q, p, batch, h), row0, p.L, in.q, p.D, vectors);
  cp_async_commit();
  LeftRows<V, WIDTH, PARTS, Shape::HELD> left(queries, own);
  if constexpr (Shape::HELD) {
    cp_async_wait<0>();
    __syncthreads();
    left.hold();
  }

  const uint32_t seen_by_all = edge(p, row0 + own);
  const float scale = fmaxf(fabsf(p.scale) * LOG2E, LEAST_SCALE);
  float result[PARTS][WIDTH / 8][4] = {}, maximum[PARTS][2], sum[PARTS][2] = {};
#pragma unroll
  for (uint32_t part = 0; part < PARTS; ++part) maximum[part][0] = maximum[part][1] = FLOOR * scale;

  for (uint32_t j0 = 0; j0 < end; j0 += KEYS) {
    cp_async_wait<0>();
    __syncthreads();  // the keys are there, the last values have been used
    load(values, value_rows<V>, j0, kept);

    uint32_t survivors[PARTS][2];  // before the scores need registers
    if constexpr (DROPS) {
      const uint32_t position = first_position(p, batch, h, anew(row_of(0, 0))) + j0;
#pragma unroll
      for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
        for (uint32_t half = 0; half < 2; ++half) {
          const uint32_t below = (16 * part + 8 * half) * (p.P + p.S);
          survivors[part][half] = lane_bits(surviving<KEYS>(p, in.random, position + below));
        }
      }
    }
    float scores[PARTS][KEYS / 8][4] = {};
    multiply_rows<WIDTH>(scores, left, keys);
    if (p.scale < 0.0f) negate(scores);
    if (j0 + KEYS > seen_by_all || kept != ~uint64_t{0}) {
#pragma unroll
      for (uint32_t part = 0; part < PARTS; ++part) {
        const uint32_t first = anew(row_of(part, 0)), ends[2] = {edge(p, first), edge(p, first + 8)};
        hide(scores[part], j0, ends, kept, HIDDEN);
      }
    }
    kept = kept_keys(p, in.mask, batch, j0 + KEYS);
    cp_async_wait<0>();
    __syncthreads();  // the values are there, the keys have been used
    if (j0 + KEYS < end) load(keys, key_rows<V>, j0 + KEYS, kept);

#pragma unroll
    for (uint32_t part = 0; part < PARTS; ++part) {
      const float correction = soften<0>(scores[part], scale, maximum[part][0], sum[part][0]);
      const float correction8 = soften<1>(scores[part], scale, maximum[part][1], sum[part][1]);
      if (any_lane(correction != 1.0f || correction8 != 1.0f)) {
#pragma unroll
        for (uint32_t n = 0; n < WIDTH / 8; ++n) {
          result[part][n][0] *= correction, result[part][n][1] *= correction;
          result[part][n][2] *= correction8, result[part][n][3] *= correction8;
        }
      }
      if constexpr (DROPS) drop(scores[part], survivors[part]);
    }
    multiply_columns<WIDTH>(result, scores, values);
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
      const uint32_t i = row_of(part, half);
      if (lane % 4 == 0 && i < p.L)
        lse[size_t{head} * p.L + i] = total == 0.0f ? NO_KEYS : maximum[part][half] * LN2 + logf(total);
    }
    store_rows<WIDTH>(queries, own + 16 * part, result[part], factors[0], factors[1], p.D, vectors,
                      [&](uint32_t r) { return row0 + r < p.L ? result_at.at(row0 + r) : nullptr; });
  }
}
