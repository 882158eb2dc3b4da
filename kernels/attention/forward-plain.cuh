// attention/forward in tiles of f32
// Method    a block owns TILE queries of a head; for each TILE keys, the prefix first: keys to shared memory, scores in
//           registers, running maximum and sum; then values in the place of the keys, weights in shared memory, and their
//           product added to the result, rescaled. A block stops at the causal edge of its last row.
// Tiling    256 threads; TILE is 64, or 32 where WIDTH is 256
#pragma once
#include "../common/cuda/exponential.cuh"
#include "../common/cuda/reduce.cuh"
#include "plain.cuh"

template <uint32_t WIDTH>
using ForwardPlain = Plain<(WIDTH > 128 ? 32 : 64), WIDTH>;

template <uint32_t WIDTH>
__device__ inline void forward_plain(const Inputs<float> &in, float *y, float *lse, const Params &p) {
  using Tile = ForwardPlain<WIDTH>;
  constexpr uint32_t TILE = Tile::TILE, PER = Tile::PER;
  DYNAMIC_SHARED(shared);
  float *const queries = reinterpret_cast<float *>(shared), *const others = queries + Tile::SIZE;
  float *const weights = others + Tile::SIZE;

  const uint32_t tiles = ceil_div(p.L, TILE);
  const BlockPlace place = block_place(blockIdx.x, p.B * p.H, tiles);
  const uint32_t head = place.head, row0 = (tiles - 1 - place.rank) * TILE;
  const uint32_t batch = head / p.H, h = head % p.H, g = h / (p.H / p.G);
  const Rows<const float> query_at = query_rows(in.q, p, batch, h);
  const KeyRows<float> key_at = key_rows(in, p, batch, g), value_at = value_rows(in, p, batch, g);
  const uint32_t end = edge(p, min(p.L, row0 + TILE) - 1);
  const float scale = p.scale * LOG2E;

  Tile::load(queries, p.D, [&](uint32_t r) { return row0 + r < p.L ? query_at.at(row0 + r) : nullptr; });
  typename Tile::Columns result = {};
  float maximum[PER], sum[PER];
#pragma unroll
  for (uint32_t i = 0; i < PER; ++i) maximum[i] = FLOOR, sum[i] = 0.0f;

  for (uint32_t j0 = 0; j0 < end; j0 += TILE) {
    const uint64_t kept = kept_keys(p, in.mask, batch, j0);
    const auto load = [&](const KeyRows<float> &rows) {
      Tile::load(others, p.D, [&](uint32_t n) { return kept >> n & 1 ? rows.at(j0 + n) : nullptr; });
    };
    __syncthreads();  // the last values have been used
    load(key_at);
    __syncthreads();
    typename Tile::Square scores;
    Tile::multiply_rows(scores, queries, others, p.D);
#pragma unroll
    for (uint32_t i = 0; i < PER; ++i) {
      const uint32_t row = row0 + Tile::y() + SIDE * i, row_end = edge(p, row);
      float raised = maximum[i];
#pragma unroll
      for (uint32_t j = 0; j < PER; ++j) {
        const uint32_t n = Tile::x() + SIDE * j;
        scores[i][j] = j0 + n < row_end && (kept >> n & 1) ? scores[i][j] * scale : HIDDEN;
        raised = fmaxf(raised, scores[i][j]);
      }
      for (uint32_t mask = SIDE / 2; mask > 0; mask /= 2) raised = fmaxf(raised, shuffle_xor(raised, mask));
      const float correction = exponential2(maximum[i] - raised);
      maximum[i] = raised;
      sum[i] *= correction;
#pragma unroll
      for (uint32_t j = 0; j < PER; ++j) {
        scores[i][j] = exponential2(scores[i][j] - raised);
        sum[i] += scores[i][j];
        if (p.dropout > 0.0f)
          scores[i][j] *= survival(p, in.random, first_position(p, batch, h, row) + j0 + Tile::x() + SIDE * j, 1.0f);
      }
#pragma unroll
      for (uint32_t span = 0; span < Tile::SPANS; ++span) {
#pragma unroll
        for (uint32_t c = 0; c < 4; ++c) result[i][span][c] *= correction;
      }
    }
    Tile::put(weights, scores);
    __syncthreads();  // the keys have been used
    load(value_at);
    __syncthreads();
    Tile::multiply_columns(result, weights, others, p.D);
  }

  const Rows<float> result_at = result_rows(y, p, batch, h);
  const float keep = 1.0f / (1.0f - p.dropout);
#pragma unroll
  for (uint32_t i = 0; i < PER; ++i) {
    const uint32_t row = row0 + Tile::y() + SIDE * i;
    const float total = lane_sum<SIDE>(sum[i]);
    if (row >= p.L) continue;
    Tile::store(result_at.at(row), result[i], total == 0.0f ? 0.0f : keep / total, p.D);
    if (Tile::x() == 0) lse[size_t{head} * p.L + row] = total == 0.0f ? NO_KEYS : maximum[i] * LN2 + logf(total);
  }
}
