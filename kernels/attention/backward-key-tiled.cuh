// attention/backward, dk and dv, on tensor cores, for values of 16 bits
// Math      dv[j] = Σ_i w_ij drop_ij dy[i],  dk[j] = scale Σ_i w_ij (drop_ij dy[i]·v[j] - delta[i]) q[i]
// Method    a block owns 64 keys and steps through the queries that see them, of every head that shares them; a block of
//           the prefix through those of every batch row, too. Scores are computed with keys as rows, so that weights and
//           their gradients are left operands as they come out of the product. No atomics: a sum has one owner.
// Tiling    4 warps of 16 keys; STEP queries at a time. Where WIDTH is 256 registers hold one gradient: OF says which.
// Numerics  weights and gradients of scores round to 16 bits before they meet dy and q; sums in f32
#pragma once
#include "backward-query-tiled.cuh"
#include "own-keys.cuh"

enum class Gradient { VALUES, KEYS, BOTH };

template <class V, uint32_t WIDTH, Gradient OF>
__device__ inline void backward_key_tiled(const V *dy, const Inputs<V> &in, V *dk, V *dv, V *dprefix_keys,
                                          V *dprefix_values, const QueryScalars *rows, const Params &p) {
  using Shape = BackwardShape<WIDTH>;
  constexpr uint32_t QUERIES = Shape::STEP, KEYS = Shape::OWNED, THREADS = Shape::THREADS,
                     SIZE = QUERIES * PITCH<WIDTH>;
  constexpr bool OF_KEYS = OF != Gradient::VALUES, OF_VALUES = OF != Gradient::KEYS;
  DYNAMIC_SHARED(shared);
  V *const keys = reinterpret_cast<V *>(shared);                                // [KEYS], then dk
  V *const values = keys + KEYS * PITCH<WIDTH>;                                 // [KEYS], then dv
  V *const gradients = values + KEYS * PITCH<WIDTH>;                            // [QUERIES] of dy
  V *const queries = gradients + SIZE;                                          // [2][QUERIES]
  auto *const scalars = reinterpret_cast<QueryScalars *>(queries + 2 * SIZE);   // [2][QUERIES]
  auto *const survivors = reinterpret_cast<uint64_t *>(scalars + 2 * QUERIES);  // [QUERIES]

  const OwnKeys keys_of(p, blockIdx.x, KEYS);
  const uint32_t lane = threadIdx.x % WARP, own = threadIdx.x / WARP * 16;
  const bool vectors = in_vectors(p), prefix = keys_of.prefix;
  const uint64_t kept = prefix ? ~uint64_t{0} : kept_keys(p, in.mask, keys_of.batch, p.P + keys_of.first);
  const auto row_of = [&](const Rows<const V> &from, uint32_t n) -> const V * {
    return keys_of.first + n < keys_of.count && (kept >> n & 1) ? from.at(keys_of.first + n) : nullptr;
  };
  {
    const Rows<const V> key_at =
        prefix ? prefix_rows(in.prefix_keys, p, keys_of.g) : own_rows(in.k, p, p.kOffset, keys_of.batch, keys_of.g);
    const Rows<const V> value_at =
        prefix ? prefix_rows(in.prefix_values, p, keys_of.g) : own_rows(in.v, p, p.vOffset, keys_of.batch, keys_of.g);
    load_tile<KEYS, WIDTH, THREADS>(keys, in.q, p.D, vectors, [&](uint32_t n) { return row_of(key_at, n); });
    if (OF_KEYS)
      load_tile<KEYS, WIDTH, THREADS>(values, in.q, p.D, vectors, [&](uint32_t n) { return row_of(value_at, n); });
  }

  const QuerySteps<QUERIES> steps(p, keys_of);
  const auto load_queries = [&](const QueryStep &step, uint32_t stage) {
    const Rows<const V> query_at = query_rows(in.q, p, step.batch, step.h);
    load_tile<QUERIES, WIDTH, THREADS>(queries + stage * SIZE, in.q, p.D, vectors, [&](uint32_t r) {
      return step.row0 + r < p.L ? query_at.at(step.row0 + r) : nullptr;
    });
    const size_t first = (size_t{step.batch} * p.H + step.h) * p.L;
    const auto *from = reinterpret_cast<const float *>(rows);
    auto *to = reinterpret_cast<float *>(scalars + stage * QUERIES);
    if (threadIdx.x < 2 * QUERIES) {
      const bool there = step.row0 + threadIdx.x / 2 < p.L;
      cp_async_4(to + threadIdx.x, there ? from + 2 * (first + step.row0) + threadIdx.x : from, there ? 4 : 0);
    }
  };
  const auto load_gradients = [&](const QueryStep &step) {
    const Rows<const V> dy_at = result_rows(dy, p, step.batch, step.h);
    load_tile<QUERIES, WIDTH, THREADS>(gradients, in.q, p.D, vectors, [&](uint32_t r) {
      return step.row0 + r < p.L ? dy_at.at(step.row0 + r) : nullptr;
    });
  };
  if (steps.count > 0) {
    load_queries(steps.at(0), 0);
    load_gradients(steps.at(0));
  }
  cp_async_commit();

  uint32_t first_query[2];  // of the keys of lane / 4 and 8 more
#pragma unroll
  for (uint32_t half = 0; half < 2; ++half) {
    const uint32_t n = own + 8 * half + lane / 4;
    first_query[half] = kept >> n & 1 ? keys_of.first_query(p, n) : ~0u;
  }
  const uint32_t seen_from = kept == ~uint64_t{0} ? keys_of.first_query(p, own + 15) : ~0u;
  const float scale = p.scale * LOG2E, keep = 1.0f / (1.0f - p.dropout);
  float dkeys[OF_KEYS ? WIDTH / 8 : 1][4] = {}, dvalues[OF_VALUES ? WIDTH / 8 : 1][4] = {};

  for (uint32_t n = 0; n < steps.count; ++n) {
    const QueryStep step = steps.at(n);
    const uint32_t stage = n % 2;
    if (p.dropout > 0.0f) {
      for (uint32_t r = threadIdx.x / 4; r < max(QUERIES, THREADS / 4); r += THREADS / 4) {
        const uint64_t bits =
            surviving(p, in.random, first_position(p, step.batch, step.h, step.row0 + r) + keys_of.position);
        if (r < QUERIES && threadIdx.x % 4 == 0) survivors[r] = bits;
      }
    }
    cp_async_wait<0>();
    __syncthreads();  // queries and gradients are there, the other queries have been used
    if (n + 1 < steps.count) {
      load_queries(steps.at(n + 1), stage ^ 1);
      cp_async_commit();
    }

    const V *const queries_here = queries + stage * SIZE;
    const QueryScalars *const scalars_here = scalars + stage * QUERIES;
    float weights[QUERIES / 8][4] = {}, dscores[QUERIES / 8][4] = {};
    multiply_rows<WIDTH>(weights, keys, own, queries_here);
    if (OF_KEYS) multiply_rows<WIDTH>(dscores, values, own, gradients);

    const bool compare = step.row0 < seen_from;
#pragma unroll
    for (uint32_t c = 0; c < QUERIES / 8; ++c) {
#pragma unroll
      for (uint32_t odd = 0; odd < 2; ++odd) {
        const uint32_t column = 8 * c + lane % 4 * 2 + odd;
        const QueryScalars query = scalars_here[column];
        const uint64_t bits = p.dropout > 0.0f ? survivors[column] : ~uint64_t{0};
#pragma unroll
        for (uint32_t half = 0; half < 2; ++half) {
          const uint32_t e = 2 * half + odd;
          float weight = exponential2(fmaf(weights[c][e], scale, -query.lse));
          if (compare && step.row0 + column < first_query[half]) weight = 0.0f;
          const bool survives = bits >> (own + 8 * half + lane / 4) & 1;
          if (OF_KEYS) dscores[c][e] = weight * ((survives ? keep * dscores[c][e] : 0.0f) - query.delta);
          weights[c][e] = survives ? weight : 0.0f;
        }
      }
    }
    if constexpr (OF_VALUES) multiply_columns<WIDTH>(dvalues, weights, gradients);
    __syncthreads();  // the gradients have been used
    if (n + 1 < steps.count) {
      load_gradients(steps.at(n + 1));
      cp_async_commit();
    }
    if constexpr (OF_KEYS) multiply_columns<WIDTH>(dkeys, dscores, queries_here);
  }
  cp_async_wait<0>();
  __syncthreads();  // without a query nothing has waited yet

  const auto store = [&](V *tile, const auto &sums, float factor, const Rows<V> &to) {
    store_rows<WIDTH>(tile, own, sums, factor, factor, p.D, vectors, [&](uint32_t r) {
      return keys_of.first + r < keys_of.count ? to.at(keys_of.first + r) : nullptr;
    });
  };
  if constexpr (OF_KEYS)
    store(keys, dkeys, p.scale,
          prefix ? prefix_rows(dprefix_keys, p, keys_of.g) : own_rows(dk, p, p.kOffset, keys_of.batch, keys_of.g));
  if constexpr (OF_VALUES)
    store(values, dvalues, keep,
          prefix ? prefix_rows(dprefix_values, p, keys_of.g) : own_rows(dv, p, p.vOffset, keys_of.batch, keys_of.g));
}
