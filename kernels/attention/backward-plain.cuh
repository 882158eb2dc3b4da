// attention/backward in tiles of f32: the math and the steps of backward-query-tiled.cuh and backward-key-tiled.cuh
// Method    a block owns TILE queries, or keys, and steps through the others: scores and gradients of weights in registers,
//           then in shared memory, one after the other, for the product that adds to the result.
// Tiling    256 threads; TILE is 64, 32 and 16 where WIDTH is 64, 128 and 256
#pragma once
#include "../common/cuda/exponential.cuh"
#include "backward-delta.cuh"
#include "own-keys.cuh"
#include "plain.cuh"

template <uint32_t WIDTH>
using BackwardPlain = Plain<4096 / WIDTH, WIDTH>;

template <uint32_t WIDTH>
__device__ inline void backward_query_plain(const float *dy, const Inputs<float> &in, float *dq,
                                            const QueryScalars *rows, const Params &p) {
  using Tile = BackwardPlain<WIDTH>;
  constexpr uint32_t TILE = Tile::TILE, PER = Tile::PER;
  DYNAMIC_SHARED(shared);
  float *const queries = reinterpret_cast<float *>(shared), *const gradients = queries + Tile::SIZE;
  float *const keys = gradients + Tile::SIZE, *const values = keys + Tile::SIZE, *const weights = values + Tile::SIZE;

  const uint32_t tiles = ceil_div(p.L, TILE);
  const BlockPlace place = block_place(blockIdx.x, p.B * p.H, tiles);
  const uint32_t head = place.head, row0 = (tiles - 1 - place.rank) * TILE;
  const uint32_t batch = head / p.H, h = head % p.H, g = h / (p.H / p.G);
  const Rows<const float> query_at = query_rows(in.q, p, batch, h), dy_at = result_rows(dy, p, batch, h);
  const KeyRows<float> key_at = key_rows(in, p, batch, g), value_at = value_rows(in, p, batch, g);
  const uint32_t end = edge(p, min(p.L, row0 + TILE) - 1);
  const float scale = p.scale * LOG2E, keep = 1.0f / (1.0f - p.dropout);

  Tile::load(queries, p.D, [&](uint32_t r) { return row0 + r < p.L ? query_at.at(row0 + r) : nullptr; });
  Tile::load(gradients, p.D, [&](uint32_t r) { return row0 + r < p.L ? dy_at.at(row0 + r) : nullptr; });
  typename Tile::Columns result = {};

  for (uint32_t j0 = 0; j0 < end; j0 += TILE) {
    const uint64_t kept = kept_keys(p, in.mask, batch, j0);
    __syncthreads();  // keys and weights have been used
    Tile::load(keys, p.D, [&](uint32_t n) { return kept >> n & 1 ? key_at.at(j0 + n) : nullptr; });
    Tile::load(values, p.D, [&](uint32_t n) { return kept >> n & 1 ? value_at.at(j0 + n) : nullptr; });
    __syncthreads();
    typename Tile::Square scores, dweights;
    Tile::multiply_rows(scores, queries, keys, p.D);
    Tile::multiply_rows(dweights, gradients, values, p.D);
#pragma unroll
    for (uint32_t i = 0; i < PER; ++i) {
      const uint32_t row = row0 + Tile::y() + SIDE * i, row_end = row < p.L ? edge(p, row) : 0;
      const QueryScalars query = row < p.L ? rows[size_t{head} * p.L + row] : QueryScalars{NO_KEYS, 0.0f};
#pragma unroll
      for (uint32_t j = 0; j < PER; ++j) {
        const uint32_t n = Tile::x() + SIDE * j;
        const bool seen = j0 + n < row_end && (kept >> n & 1);
        const float weight = seen ? exponential2(fmaf(scores[i][j], scale, -query.lse)) : 0.0f;
        if (p.dropout > 0.0f) dweights[i][j] *= survival(p, in.random, first_position(p, batch, h, row) + j0 + n, keep);
        scores[i][j] = weight * (dweights[i][j] - query.delta);
      }
    }
    Tile::put(weights, scores);
    __syncthreads();
    Tile::multiply_columns(result, weights, keys, p.D);
  }

  const Rows<float> result_at = query_rows(dq, p, batch, h);
#pragma unroll
  for (uint32_t i = 0; i < PER; ++i) {
    const uint32_t row = row0 + Tile::y() + SIDE * i;
    if (row < p.L) Tile::store(result_at.at(row), result[i], p.scale, p.D);
  }
}

template <uint32_t WIDTH>
__device__ inline void backward_key_plain(const float *dy, const Inputs<float> &in, float *dk, float *dv,
                                          float *dprefix_keys, float *dprefix_values, const QueryScalars *rows,
                                          const Params &p) {
  using Tile = BackwardPlain<WIDTH>;
  constexpr uint32_t TILE = Tile::TILE, PER = Tile::PER;
  DYNAMIC_SHARED(shared);
  float *const keys = reinterpret_cast<float *>(shared), *const values = keys + Tile::SIZE;
  float *const queries = values + Tile::SIZE, *const gradients = queries + Tile::SIZE;
  float *const weights = gradients + Tile::SIZE;

  const OwnKeys own(p, blockIdx.x, TILE);
  const QuerySteps<TILE> steps(p, own);
  const uint64_t kept = own.prefix ? ~uint64_t{0} : kept_keys(p, in.mask, own.batch, p.P + own.first);
  const auto load_own = [&](float *tile, const Rows<const float> &from) {
    Tile::load(tile, p.D, [&](uint32_t n) {
      return own.first + n < own.count && (kept >> n & 1) ? from.at(own.first + n) : nullptr;
    });
  };
  load_own(keys, own.prefix ? prefix_rows(in.prefix_keys, p, own.g) : own_rows(in.k, p, p.kOffset, own.batch, own.g));
  load_own(values,
           own.prefix ? prefix_rows(in.prefix_values, p, own.g) : own_rows(in.v, p, p.vOffset, own.batch, own.g));
  const float scale = p.scale * LOG2E, keep = 1.0f / (1.0f - p.dropout);
  typename Tile::Columns dkeys = {}, dvalues = {};

  for (uint32_t n = 0; n < steps.count; ++n) {
    const QueryStep step = steps.at(n);
    const Rows<const float> query_at = query_rows(in.q, p, step.batch, step.h),
                            dy_at = result_rows(dy, p, step.batch, step.h);
    const auto there = [&](const Rows<const float> &from) {
      return [&p, from, step](uint32_t r) { return step.row0 + r < p.L ? from.at(step.row0 + r) : nullptr; };
    };
    __syncthreads();  // queries and weights have been used
    Tile::load(queries, p.D, there(query_at));
    Tile::load(gradients, p.D, there(dy_at));
    __syncthreads();
    typename Tile::Square scores, dweights;
    Tile::multiply_rows(scores, queries, keys, p.D);
    Tile::multiply_rows(dweights, gradients, values, p.D);
#pragma unroll
    for (uint32_t i = 0; i < PER; ++i) {
      const uint32_t row = step.row0 + Tile::y() + SIDE * i;
      const QueryScalars query =
          row < p.L ? rows[(size_t{step.batch} * p.H + step.h) * p.L + row] : QueryScalars{NO_KEYS, 0.0f};
#pragma unroll
      for (uint32_t j = 0; j < PER; ++j) {
        const uint32_t key = Tile::x() + SIDE * j;
        const bool seen = (kept >> key & 1) && row >= own.first_query(p, key);
        const float weight = seen ? exponential2(fmaf(scores[i][j], scale, -query.lse)) : 0.0f;
        float survivor = 1.0f;
        if (p.dropout > 0.0f) {
          const uint32_t position = first_position(p, step.batch, step.h, row) + own.position + key;
          survivor = survival(p, in.random, position, keep);
        }
        scores[i][j] = weight * survivor;
        dweights[i][j] = weight * (dweights[i][j] * survivor - query.delta);
      }
    }
    Tile::put(weights, scores);
    __syncthreads();
    Tile::multiply_transposed(dvalues, weights, gradients, p.D);
    __syncthreads();
    Tile::put(weights, dweights);
    __syncthreads();
    Tile::multiply_transposed(dkeys, weights, queries, p.D);
  }

  const Rows<float> dk_at =
      own.prefix ? prefix_rows(dprefix_keys, p, own.g) : own_rows(dk, p, p.kOffset, own.batch, own.g);
  const Rows<float> dv_at =
      own.prefix ? prefix_rows(dprefix_values, p, own.g) : own_rows(dv, p, p.vOffset, own.batch, own.g);
#pragma unroll
  for (uint32_t i = 0; i < PER; ++i) {
    const uint32_t key = own.first + PER * Tile::y() + i;
    if (key >= own.count) continue;
    Tile::store(dk_at.at(key), dkeys[i], p.scale, p.D);
    Tile::store(dv_at.at(key), dvalues[i], 1.0f, p.D);
  }
}
